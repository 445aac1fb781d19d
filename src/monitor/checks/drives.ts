import type { DriveId } from "../../base/ids.ts";
import type { CheckedDrive, SmartWord } from "../../cluster/alerting.ts";
import { driveIsUp, serverIsUp } from "../../cluster/health.ts";
import { RESTART_MS, STEADY_MS, type Finding, type Sight } from "./finding.ts";

/** Drives do with some; more mean that the surface gives way. */
const REALLOCATED_MAX = 10;
const WORN_WARNING_PERCENT = 90;
const WORN_CRITICAL_PERCENT = 100;
/** What makers allow in operation is 60 (HDD) and 70 (SSD). */
const HOT_HDD_CELSIUS = 60;
const HOT_SSD_CELSIUS = 70;
/** So many times slower than its peers, and slow by itself: hosts feel it. */
const OUTLIER_TIMES = 5;
const OUTLIER_MS_MIN = { hdd: 100, ssd: 25 } as const;
/** Fewer have no middle to compare with. */
const PEERS_MIN = 3;
const OUTLIER_AFTER_MS = 60_000;

export function driveFindings(sight: Sight): Finding[] {
  const { map, checked } = sight;
  const findings: Finding[] = [];
  const failed = new Set<string>();
  for (const [server, list] of map.failedDrives) {
    for (const { id, directory, why } of list) {
      failed.add(id);
      findings.push({
        kind: "drive-failed",
        subject: id || directory,
        severity: "critical",
        sentence: `Drive ${id || directory} of ${server} has failed and is not used any more: ${why === "" ? "it gave I/O errors" : why.replace(/\.$/, "")}.`,
        step: "Replace it and add the new one; its copies are made on other drives meanwhile.",
        source: null,
        afterMs: 0,
      });
    }
  }
  for (const { id, server } of map.drives.values()) {
    if (driveIsUp(map, id) || failed.has(id) || !serverIsUp(map, server)) continue;
    findings.push({
      kind: "drive-down",
      subject: id,
      severity: "warning",
      sentence: `Drive ${id} of ${server} does not serve, though ${server} is up.`,
      step: `The log of ${server} says why; check the drive's cable, and do not power off another server meanwhile.`,
      source: null,
      afterMs: RESTART_MS,
    });
  }
  for (const [id, { evidence }] of map.recovery) {
    if (evidence === null) continue;
    findings.push({ kind: "drive-not-obeying", subject: id, severity: "critical", sentence: `Drive ${id} of ${map.drives.get(id as DriveId)?.server ?? "an unknown server"} serves nothing, since the cluster store cannot be the one it knows: ${evidence.replace(/\.$/, "")}.`, step: "Was the cluster store restored from a backup? The health sentence says what comes next.", source: null, afterMs: 0 });
  }
  for (const { server, drives } of checked.values()) for (const drive of drives) findings.push(...deviceFindings(server, drive));
  return [...findings, ...outliers(sight)];
}

function deviceFindings(server: string, drive: CheckedDrive): Finding[] {
  const found: Finding[] = [];
  const about = { subject: drive.id ?? drive.path, source: server, afterMs: 0 };
  const name = `Drive ${nameOf(drive)} of ${server}`;
  const replace = "Drain it, then replace it; until then its data has other copies.";
  if ((drive.ioErrors ?? 0) > 0) found.push({ ...about, kind: "drive-errors", severity: "warning", sentence: `${name} has given ${times(drive.ioErrors ?? 0, "I/O error")} within the last hour.`, step: "Check its cable and slot; replace it if they go on." });
  return drive.smart === null ? found : [...found, ...smartFindings(about, name, replace, drive.smart, drive.rotational)];
}

function smartFindings(about: Pick<Finding, "subject" | "source" | "afterMs">, name: string, replace: string, smart: SmartWord, rotational: boolean | null): Finding[] {
  const found: Finding[] = [];
  const { passed, reallocated, pending, uncorrectable, wornPercent, celsius } = smart;
  if (passed === false) found.push({ ...about, kind: "drive-failing", severity: "critical", sentence: `${name} says of itself that it is failing (SMART).`, step: replace });
  const bad = (pending ?? 0) + (uncorrectable ?? 0);
  if (bad > 0) found.push({ ...about, kind: "drive-sectors", severity: "warning", sentence: `${name} has ${times(bad, "sector")} that cannot be read (SMART: ${pending ?? 0} pending, ${uncorrectable ?? 0} uncorrectable).`, step: `Blocks on them are repaired from other copies when they are read. ${replace}` });
  else if ((reallocated ?? 0) >= REALLOCATED_MAX) found.push({ ...about, kind: "drive-sectors", severity: "warning", sentence: `${name} has replaced ${times(reallocated ?? 0, "sector")} by spare ones (SMART).`, step: `Plan to replace it. ${replace}` });
  if ((wornPercent ?? 0) >= WORN_WARNING_PERCENT) {
    const severity = (wornPercent ?? 0) >= WORN_CRITICAL_PERCENT ? "critical" : "warning";
    found.push({ ...about, kind: "drive-worn", severity, sentence: `${name} has used up ${wornPercent} % of its rated life.`, step: replace });
  }
  const hot = rotational === false ? HOT_SSD_CELSIUS : HOT_HDD_CELSIUS;
  if ((celsius ?? 0) >= hot) found.push({ ...about, kind: "drive-hot", severity: "warning", afterMs: STEADY_MS, sentence: `${name} is ${celsius} °C warm, from ${hot} °C on drives age fast.`, step: "Check the fans and the room's cooling." });
  return found;
}

/** A drive that is much slower than its peers of the same kind makes every host wait that has data on it. */
function outliers({ checked }: Sight): Finding[] {
  const found: Finding[] = [];
  for (const kind of ["hdd", "ssd"] as const) {
    const peers = [...checked.values()].flatMap(({ server, drives }) => drives.flatMap((drive) => (drive.latencyMs !== null && drive.device !== null && (drive.rotational === true ? "hdd" : "ssd") === kind ? [{ server, drive, latencyMs: drive.latencyMs }] : [])));
    if (new Set(peers.map(({ server, drive }) => `${server} ${drive.device}`)).size < PEERS_MIN) continue;
    for (const peer of peers) {
      const others = peers.filter((one) => one !== peer && (one.server !== peer.server || one.drive.device !== peer.drive.device)).map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
      const middle = others[Math.floor(others.length / 2)] ?? Infinity;
      if (peer.latencyMs < OUTLIER_MS_MIN[kind] || peer.latencyMs < middle * OUTLIER_TIMES) continue;
      found.push({
        kind: "drive-slow",
        subject: peer.drive.id ?? peer.drive.path,
        severity: "warning",
        sentence: `Drive ${nameOf(peer.drive)} of ${peer.server} needs ${Math.round(peer.latencyMs)} ms for a request where the others need ${middle.toFixed(1)} ms.`,
        step: "It may be about to fail or its cable may be bad: look at its SMART values; drain and replace it if it stays slow.",
        source: peer.server,
        afterMs: OUTLIER_AFTER_MS,
      });
    }
  }
  return found;
}

/** "0123456789abcdef (/dev/sdb, ST4000NM, serial ZC1)". */
function nameOf({ id, path, device, model, serial }: CheckedDrive): string {
  const more = [device, model, serial === null ? null : `serial ${serial}`].filter((text) => text !== null);
  return `${id ?? path}${more.length === 0 ? "" : ` (${more.join(", ")})`}`;
}

function times(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
