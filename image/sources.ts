import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { COMPONENTS, SUITE } from "./packages.ts";

/** Where Debian's archive and its security updates are fetched from. */
export interface Mirrors {
  readonly archive: string;
  readonly security: string;
}

const PUBLIC: Mirrors = { archive: "http://deb.debian.org/debian", security: "http://deb.debian.org/debian-security" };
const REACHABLE_WITHIN_MS = 30_000;

/**
 * The mirrors that this machine's apt uses, since those are the ones it can reach; the release is replaced. VIRTUSTOR_MIRROR and
 * VIRTUSTOR_SECURITY_MIRROR go before them.
 */
export function mirrors(etcApt = "/etc/apt"): Mirrors {
  const uris = sourceFiles(etcApt).flatMap((path) => urisOf(readFileSync(path, "utf8")));
  const security = uris.find((uri) => /debian-security\/?$/.test(uri));
  const archive = uris.find((uri) => /\/debian\/?$/.test(uri));
  return {
    archive: trimmed(process.env["VIRTUSTOR_MIRROR"] ?? archive ?? PUBLIC.archive),
    security: trimmed(process.env["VIRTUSTOR_SECURITY_MIRROR"] ?? security ?? PUBLIC.security),
  };
}

/** Lines of a sources.list for the image's release. */
export function sourceLines({ archive, security }: Mirrors): string[] {
  const components = COMPONENTS.join(" ");
  return [`deb ${archive} ${SUITE} ${components}`, `deb ${archive} ${SUITE}-updates ${components}`, `deb ${security} ${SUITE}-security ${components}`];
}

/** Throws a sentence when a mirror does not have the release. */
export async function checkMirrors({ archive, security }: Mirrors): Promise<void> {
  for (const url of [`${archive}/dists/${SUITE}/InRelease`, `${security}/dists/${SUITE}-security/InRelease`]) {
    const problem = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(REACHABLE_WITHIN_MS) }).then(
      (answer) => (answer.ok ? null : `it answers ${answer.status}`),
      (error: Error) => error.message,
    );
    if (problem !== null) throw new Error(`Debian's packages cannot be fetched: ${url}: ${problem}. Set VIRTUSTOR_MIRROR to a mirror that this machine reaches`);
  }
}

function sourceFiles(etcApt: string): string[] {
  const parts = join(etcApt, "sources.list.d");
  const beside = existsSync(parts) ? readdirSync(parts).sort().map((name) => join(parts, name)) : [];
  return [join(etcApt, "sources.list"), ...beside].filter((path) => /\.(list|sources)$/.test(path) && existsSync(path));
}

/** Both forms of apt's sources: a line each, and stanzas of fields. */
function urisOf(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const uri = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/.exec(line)?.[1];
    if (uri !== undefined) return [uri];
    return /^URIs:\s*(.+)$/i.exec(line)?.[1]?.trim().split(/\s+/) ?? [];
  });
}

function trimmed(uri: string): string {
  return uri.replace(/\/+$/, "");
}
