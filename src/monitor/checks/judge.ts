import { capacityFindings } from "./capacity.ts";
import { driveFindings } from "./drives.ts";
import type { Finding, Sight } from "./finding.ts";
import { machineFindings } from "./machines.ts";
import { serverFindings } from "./servers.ts";
import { serviceFindings } from "./service.ts";

/** More at once are one disaster, and the first tell of it; what is left out comes when these are cleared. */
export const FINDINGS_MAX = 200;

const ORDER = { critical: 0, warning: 1, info: 2 } as const;

/** Everything that is not as it should be, the worst first; each kind and subject once. Pure. */
export function judge(sight: Sight): Finding[] {
  if (sight.map.cluster === null) return [];
  const all = [serverFindings, serviceFindings, driveFindings, machineFindings, capacityFindings].flatMap((check) => check(sight));
  const unique = new Map<string, Finding>();
  for (const finding of all) if (!unique.has(keyOf(finding))) unique.set(keyOf(finding), finding);
  return [...unique.values()].sort((a, b) => ORDER[a.severity] - ORDER[b.severity]).slice(0, FINDINGS_MAX);
}

export function keyOf({ kind, subject }: { readonly kind: string; readonly subject: string }): string {
  return `${kind} ${subject}`;
}
