import { utcMinute } from "../../base/utc.ts";
import type { Checked } from "../../cluster/alerting.ts";
import { durationText, bytesText, RESTART_MS, STEADY_MS, type Finding, type Sight } from "./finding.ts";

const SKEW_WARNING_MS = 500;
const SKEW_CRITICAL_MS = 2_000;
const SYSTEM_WARNING_SHARE = 0.85;
const SYSTEM_CRITICAL_SHARE = 0.95;
const DAY_MS = 86_400_000;
const EXPIRY_WARNING_MS = 30 * DAY_MS;
const EXPIRY_CRITICAL_MS = 7 * DAY_MS;
/** A link loses a frame now and then; a bad cable loses one in a thousand. */
const ERROR_SHARE = 0.001;
const ERRORS_MIN = 10;
/** Elections and single slow syncs pass. */
const SLOW_STORE_MS = 1_000;

/** What servers measure of themselves: clocks, links, system partitions, certificates, their member of the store. */
export function machineFindings(sight: Sight): Finding[] {
  return [...clockFindings(sight), ...[...sight.checked.values()].flatMap((checked) => [...linkFindings(checked), ...systemFindings(checked), ...certificateFindings(checked, sight.wallMs), ...memberFindings(checked)]), ...channelFindings(sight)];
}

/**
 * Each monitor notes its own clock when it hears another's record, which holds the other's clock when that was sent. Sent is before
 * heard, so the other is ahead by *at least* the difference: what is proved in this way is true however slow the store is, and a
 * slow store hides only so much. Both directions together tell "ahead" from "behind"; a server that differs from most is wrong.
 */
function clockFindings({ checked }: Sight): Finding[] {
  const findings: Finding[] = [];
  const names = [...checked.keys()].sort();
  for (const name of names) {
    const others = names.filter((other) => other !== name);
    // By how much the others agree, at least, that this one is off: of two servers nobody knows which, and both are named.
    const ahead = others.map((other) => checked.get(other)?.ahead[name] ?? 0).filter((ms) => ms > SKEW_WARNING_MS);
    const behind = others.map((other) => checked.get(name)?.ahead[other] ?? 0).filter((ms) => ms > SKEW_WARNING_MS);
    const [proof, word] = ahead.length >= behind.length ? ([ahead, "ahead of"] as const) : ([behind, "behind"] as const);
    if (proof.length * 2 <= others.length) continue;
    const offMs = Math.min(...proof);
    findings.push({
      kind: "clock-skew",
      subject: name,
      severity: offMs > SKEW_CRITICAL_MS ? "critical" : "warning",
      sentence: `The clock of ${name} is at least ${durationText(offMs)} ${word} ${proof.length === others.length ? "the other servers'" : "most other servers'"}.`,
      step: "Check its time servers (NTP) on its console; data is safe, but times in logs, alerts and certificates are wrong.",
      source: null,
      afterMs: STEADY_MS,
    });
  }
  return findings;
}

function linkFindings({ server, nics }: Checked): Finding[] {
  const findings: Finding[] = [];
  for (const { name, used, link, errors, packets } of nics) {
    if (!used) continue;
    const about = { subject: `${server}/${name}`, source: server, severity: "warning" } as const;
    if (!link) findings.push({ ...about, kind: "link-down", sentence: `The network port ${name} of ${server} has no link.`, step: "Check its cable and the switch's port; while another port of the bond works nothing else is missing.", afterMs: 5_000 });
    else if (errors >= ERRORS_MIN && errors > packets * ERROR_SHARE) findings.push({ ...about, kind: "link-errors", sentence: `The network port ${name} of ${server} has errors: ${errors} of its last ${packets} packets were bad.`, step: "Replace its cable or move it to another port of the switch.", afterMs: STEADY_MS });
  }
  return findings;
}

function systemFindings({ server, system }: Checked): Finding[] {
  if (system === null || system.totalBytes === 0) return [];
  const share = 1 - system.freeBytes / system.totalBytes;
  if (share < SYSTEM_WARNING_SHARE) return [];
  return [
    {
      kind: "system-full",
      subject: server,
      severity: share >= SYSTEM_CRITICAL_SHARE ? "critical" : "warning",
      sentence: `The system partition of ${server} is ${Math.floor(share * 100)} % full (${bytesText(system.freeBytes)} free): when it is full, the cluster store on it stops.`,
      step: "Something else than VirtuStor fills it, or it is too small; what VirtuStor writes there is bounded.",
      source: server,
      afterMs: STEADY_MS,
    },
  ];
}

function certificateFindings({ server, certificates }: Checked, wallMs: number): Finding[] {
  return certificates.flatMap(({ name, notAfterMs }): Finding[] => {
    const leftMs = notAfterMs - wallMs;
    if (leftMs > EXPIRY_WARNING_MS) return [];
    const when = leftMs <= 0 ? `has expired (${utcMinute(notAfterMs)})` : `expires in ${durationText(leftMs)}`;
    return [
      {
        kind: "certificate-expiry",
        subject: `${server}/${name}`,
        severity: leftMs <= EXPIRY_CRITICAL_MS ? "critical" : "warning",
        sentence: `The certificate ${name} of ${server} ${when}: after that the servers and browsers refuse its connections.`,
        step: "Check the server's clock first; then renew the certificate.",
        source: server,
        afterMs: 0,
      },
    ];
  });
}

function memberFindings({ server, member, storeMs }: Checked): Finding[] {
  if (member !== null && !member.running) {
    return [{ kind: "store-member-down", subject: server, severity: "critical", sentence: `The member of the cluster store on ${server} does not run: the store bears one loss less.`, step: `The log of ${server} says why; do not power off another server before it runs again.`, source: server, afterMs: RESTART_MS }];
  }
  if (storeMs !== null && storeMs > SLOW_STORE_MS) {
    return [{ kind: "store-slow", subject: server, severity: "warning", sentence: `The cluster store takes ${durationText(storeMs)} to answer ${server}.`, step: "Look at the load of the servers' system drives and at the network between them; failovers take longer meanwhile.", source: server, afterMs: 2 * STEADY_MS }];
  }
  return [];
}

/** Told by the other channel, and on every screen. */
function channelFindings({ notified, wallMs }: Sight): Finding[] {
  return [...notified].flatMap(([channel, { record }]): Finding[] => {
    if (record.failing === null || wallMs - record.failing.sinceMs < 0) return [];
    const what = channel === "mail" ? "Mail" : "The webhook";
    return [{ kind: "notification-failed", subject: channel, severity: "warning", sentence: `${what} does not get through since ${utcMinute(record.failing.sinceMs)}: ${record.failing.sentence.replace(/\.$/, "")}.`, step: "Check the settings of notifications and send a test; what waits is sent as soon as it works.", source: null, afterMs: STEADY_MS }];
  });
}
