import { isSameFingerprint } from "../base/fingerprint.ts";
import { shownAuthority } from "../platform/tls-peer.ts";

const ANSWER_WITHIN_MS = 3_000;

/** The certificate authority (PEM) that a server shows, if it has this fingerprint. Rejects with an Error that says what was found instead. */
export async function authorityWithFingerprint(api: string, fingerprint: string): Promise<string> {
  const { hostname, port } = new URL(api);
  const shown = await shownAuthority(hostname, Number(port || 443), ANSWER_WITHIN_MS);
  if (isSameFingerprint(shown.fingerprint, fingerprint)) return shown.authority;
  throw new Error(`the cluster there has the fingerprint ${shown.fingerprint}, not ${fingerprint}`);
}
