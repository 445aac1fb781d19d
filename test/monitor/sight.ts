import type { DriveId } from "../../src/base/ids.ts";
import type { Checked, CheckedDrive, Notified } from "../../src/cluster/alerting.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { groupId, keys } from "../../src/cluster/schema.ts";
import type { Finding, Sight } from "../../src/monitor/checks/finding.ts";
import { judge } from "../../src/monitor/checks/judge.ts";

export const GIB = 2 ** 30;
export const driveOf = (n: number): DriveId => String(n).repeat(16) as DriveId;
const GROUPS = 6;

/** A healthy cluster of servers with a drive each, as the store would show it; tests then change what they are about. */
export class Scene {
  readonly map = new ClusterMap();
  readonly checked = new Map<string, Checked>();
  readonly notified = new Map<string, { record: Notified; revision: number }>();
  wallMs = 1_800_000_000_000;
  #revision = 0;

  constructor(servers = 3) {
    this.put(keys.cluster, { id: "0".repeat(32), name: "test", incarnation: 1, targetName: "iqn.2024-01.test:t", formedAtMs: 1 });
    this.put(keys.pool(1), { factor: 1, groupCount: GROUPS });
    for (let n = 1; n <= servers; n++) {
      this.put(keys.server(`server-${n}`), { name: `server-${n}`, address: `127.0.0.${n}`, portalPort: 1, apiPort: 2, portalGroupTag: n });
      this.put(keys.drive(driveOf(n)), { id: driveOf(n), server: `server-${n}`, address: `127.0.0.${n}`, port: 3, instance: 1, capacityBytes: 100 * GIB });
      this.put(keys.upServer(`server-${n}`), { instance: 1, sinceMs: 1 });
      this.put(keys.upDrive(driveOf(n)), { instance: 1, sinceMs: 1 });
      this.put(keys.upGateway(n), { instance: n, server: `server-${n}`, sinceMs: 1 });
      this.check(`server-${n}`);
    }
    for (let index = 0; index < GROUPS; index++) {
      const members = [1 + (index % servers), 1 + ((index + 1) % servers)].map(driveOf);
      this.put(keys.group(groupId(1, index)), { incarnation: 1, epoch: 2, primary: members[0], primaryInstance: 1, members, learners: [], nonce: 1 });
    }
    for (let n = 1; n <= servers; n++) this.observe(n, 0);
  }

  put(key: string, value: unknown): void {
    const change = { key, value: value === null ? null : JSON.stringify(value), revision: ++this.#revision };
    this.map.changed([change], change.revision);
  }

  observe(n: number, usedBytes: number, more: object = {}): void {
    const groups = [...this.map.groups].filter(([, { config }]) => config.primary === driveOf(n)).map(([group]) => ({ group, epoch: 2, state: "serving", copiedBytes: 0, remainingBytes: 0 }));
    this.put(keys.observed(driveOf(n)), { instance: 1, usedBytes, groups, ...more });
  }

  /** What the server's monitor measures: nothing special but what is given. */
  check(server: string, more: Partial<Checked> = {}): void {
    const before = this.checked.get(server);
    this.checked.set(server, {
      server, sentAtMs: this.wallMs, ahead: {}, version: "1.0.0", roles: ["iscsi", "management", "monitor", "storage-0"].map((role) => ({ role, running: true, restarts: 0 })),
      drives: [this.drive(Number(server.slice(-1)))], nics: [{ name: "eth0", used: true, link: true, speed: 10_000, errors: 0, packets: 1000 }],
      system: { totalBytes: 100, freeBytes: 60 }, certificates: [{ name: "server.crt", notAfterMs: this.wallMs + 1000 * 86_400_000 }], member: { running: true }, storeMs: 2, ...before, ...more,
    });
  }

  drive(n: number, more: Partial<CheckedDrive> = {}): CheckedDrive {
    const smart = { passed: true, reallocated: 0, pending: 0, uncorrectable: 0, wornPercent: null, celsius: 35 };
    return { path: `/drives/${n}`, id: driveOf(n), device: "/dev/sdb", model: "ST4000", serial: `ZC${n}`, rotational: true, latencyMs: 8, ioErrors: 0, smart, ...more };
  }

  serverDown(n: number): void {
    for (const key of [keys.upServer(`server-${n}`), keys.upDrive(driveOf(n)), keys.upGateway(n), keys.observed(driveOf(n))]) this.put(key, null);
    this.checked.delete(`server-${n}`);
  }

  get sight(): Sight {
    return { map: this.map, checked: this.checked, notified: this.notified, pauses: null, wallMs: this.wallMs };
  }

  get findings(): Finding[] {
    return judge(this.sight);
  }

  /** "kind subject severity" of each finding. */
  get found(): string[] {
    return this.findings.map(({ kind, subject, severity }) => `${kind} ${subject} ${severity}`);
  }
}
