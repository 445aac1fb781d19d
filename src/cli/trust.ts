import { isSameFingerprint } from "../base/fingerprint.ts";
import { shownAuthority } from "../platform/tls-peer.ts";

const ANSWER_WITHIN_MS = 3_000;

/** The certificate authority (PEM) that a server shows, if it has this fingerprint. Rejects with an Error that says what was found instead. */
export async function authorityWithFingerprint(api: string, fingerprint: string): Promise<string> {
  const shown = await authorityShown(api);
  if (isSameFingerprint(shown.fingerprint, fingerprint)) return shown.authority;
  throw new Error(`the cluster there has the fingerprint ${shown.fingerprint}, not ${fingerprint}`);
}

/** What a server shows, whoever it is: to be compared before anything is sent to it. */
export function authorityShown(api: string): Promise<{ readonly authority: string; readonly fingerprint: string }> {
  const { hostname, port } = new URL(api);
  return shownAuthority(hostname, Number(port || 443), ANSWER_WITHIN_MS);
}
