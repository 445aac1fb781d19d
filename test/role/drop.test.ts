import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { groupId, keys } from "../../src/cluster/schema.ts";
import type { DriveId, Instance, VolumeId } from "../../src/base/ids.ts";
import { realClock } from "../../src/platform/clock.ts";
import { realFiles } from "../../src/platform/files.ts";
import { realNetwork } from "../../src/platform/network.ts";
import type { Clock, Log } from "../../src/platform/platform.ts";
import { realRandom } from "../../src/platform/random.ts";
import { MemoryStore, type MemoryClient } from "../../src/platform/store/memory.ts";
import { startGateway } from "../../src/role/gateway.ts";
import { fakePlatform } from "../volume/fake-platform.ts";
import { GROUPS } from "../volume/fake-storage.ts";
import { RawInitiator } from "../iscsi/raw-initiator.ts";
import { until } from "../iscsi/fixture.ts";

const ID = "0123456789abcdef0123456789abcdef";
const TARGET = "iqn.2026-01.com.example:c";
const INITIATOR = "iqn.2026-01.com.example:host";
const VOLUME = 11 as VolumeId;
const DRIVE = "00000000000000d0" as DriveId;
/** The portal lives so much faster than the test, so that its seconds are none of ours. */
const FASTER = 8;
const WRITE_ONE = "2a 00 00000000 00 0001 00";

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function faster(clock: Clock): Clock {
  const bornMs = clock.nowMs();
  return { nowMs: () => bornMs + (clock.nowMs() - bornMs) * FASTER, wallMs: () => clock.wallMs(), soon: (run) => clock.soon(run), timer: (ms, run) => clock.timer(ms / FASTER, run) };
}

interface Stage {
  readonly store: MemoryStore;
  readonly own: MemoryClient;
  readonly lines: string[];
  /** The status of a login; the session is closed again. */
  login(): Promise<number>;
  open(): Promise<RawInitiator>;
  /** A host whose write waits for a drive that nobody reaches. */
  waiting(): Promise<RawInitiator>;
}

/** The iSCSI role of one server, and a volume whose primaries are a drive of another one at a port that nobody has open. */
async function stage(): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), "role-drop-"));
  ends.push(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, "key"), new Uint8Array(32).fill(3));
  const network = realNetwork();
  const ports: number[] = [];
  for (let i = 0; i < 2; i += 1) {
    const free = await network.listen({ endpoint: { address: "127.0.0.1", port: 0 } }, () => ({ data() {}, drained() {}, closed() {} }));
    ports.push(free.port);
    free.close();
  }
  const [port, nowhere] = ports as [number, number];
  const lines: string[] = [];
  const line = (text: string, fields?: object): void => void lines.push(`${text} ${JSON.stringify(fields ?? {})}`);
  const log: Log = { debug: () => {}, info: line, warn: line, error: line, child: () => log };
  const clock = faster(realClock());
  const platform = fakePlatform(clock, { network, random: realRandom(), files: realFiles(), log });
  const store = new MemoryStore({ clock });
  const own = store.client("own");
  ends.push(() => own.close());
  const put = (key: string, value: unknown) => ({ key, value: JSON.stringify(value) });
  await own.transact({ compares: [], puts: [
    put("cluster", { id: ID, name: "c", incarnation: 1, targetName: TARGET, formedAtMs: 0 }),
    put("host/esx1", { name: "esx1", iqns: [INITIATOR], chap: null }),
    put(keys.volume(VOLUME), { id: VOLUME, name: "v", sizeBytes: 1 << 20, factor: 1, lineage: VOLUME, createdAtMs: 0 }),
    put(keys.mapping("esx1", 0), { volume: VOLUME, host: "esx1", lun: 0, readOnly: false }),
    put(keys.pool(1), { factor: 1, groupCount: GROUPS }),
    put(keys.drive(DRIVE), { id: DRIVE, server: "two", address: "127.0.0.1", port: nowhere, instance: 1, capacityBytes: 1 }),
    put(keys.upDrive(DRIVE), { instance: 1, sinceMs: 0 }),
    put(keys.observed(DRIVE), { instance: 1, usedBytes: 0, groups: [...Array(GROUPS).keys()].map((index) => ({ group: groupId(1, index), epoch: 1, state: "serving", copiedBytes: 0, remainingBytes: 0 })) }),
    ...[...Array(GROUPS).keys()].map((index) => put(keys.group(groupId(1, index)), { incarnation: 1, epoch: 1, primary: DRIVE, primaryInstance: 1, members: [DRIVE], learners: [], nonce: 1 })),
  ] });
  const role = await startGateway({ platform, store: own, config: {
    clusterId: ID, name: "one", directory, address: "127.0.0.1", portalPort: port, apiPort: 8443, portalGroupTag: 1, clusterKeyFile: join(directory, "key"), tokenFile: join(directory, "token"), tlsDirectory: join(directory, "tls"),
    drives: [], store: { kind: "embedded", socket: join(directory, "store") }, processes: "separate", logLevel: "error",
  } }, (_self, remote) => remote);
  ends.push(() => role.stop());
  const options = { initiator: INITIATOR, target: TARGET };
  return {
    store, own, lines,
    login: async () => {
      const host = await RawInitiator.connect(port);
      const { status } = await host.login({ ...options, isid: "800000000077" });
      host.destroy();
      return status;
    },
    open: () => RawInitiator.loggedIn(port, options),
    waiting: async () => {
      const host = await RawInitiator.loggedIn(port, options);
      host.command(WRITE_ONE, { flags: 0xa0, expected: 512, data: Buffer.alloc(512, 1) });
      return host;
    },
  };
}
const logged = (lines: readonly string[], text: string): boolean => lines.some((line) => line.includes(text));

test("a portal whose store is silent drops its sessions when a command waits, and lets hosts in again later", async () => {
  const { own, lines, login, waiting } = await stage();
  const host = await waiting();
  own.setReachable(false);
  await host.closing();
  expect(logged(lines, "the cluster store is silent and commands wait")).toBe(true);
  expect(await login()).toBe(0x0302);
  let status = 0;
  for (let i = 0; i < 100 && (status = await login()) !== 0; i += 1) await Bun.sleep(100);
  expect(status).toBe(0);
}, 30_000);

test("a portal whose store is silent keeps its sessions as long as no command waits", async () => {
  const { own, lines, open } = await stage();
  const host = await open();
  own.setReachable(false);
  // Long after the portal has noticed.
  for (let i = 0; i < 10; i += 1) {
    await Bun.sleep(2_000 / FASTER);
    expect(await host.status("00")).toBe("0");
  }
  host.command(WRITE_ONE, { flags: 0xa0, expected: 512, data: Buffer.alloc(512, 1) });
  await host.closing();
  expect(logged(lines, "the cluster store is silent and commands wait")).toBe(true);
}, 30_000);

test("a portal that does not reach a primary which lives drops its sessions when another portal takes hosts, and tells the store", async () => {
  const { store, lines, login, waiting } = await stage();
  const other = store.client("other");
  ends.push(() => other.close());
  await other.transact({ compares: [], puts: [{ key: keys.upGateway(5), value: JSON.stringify({ instance: 5 as Instance, server: "three", sinceMs: 0 }) }] });
  const host = await waiting();
  await host.closing();
  expect(logged(lines, "drives that serve cannot be reached from here")).toBe(true);
  const { entries } = await other.range("away/");
  expect(entries.map(({ value }) => (JSON.parse(value) as { server: string; drives: string[] }))).toEqual([expect.objectContaining({ server: "one", drives: [DRIVE] })]);
  expect(await login()).toBe(0x0302);
  // The other portal ends: this one does no worse than none.
  await other.transact({ compares: [], deletes: [keys.upGateway(5)] });
  let status = 0;
  for (let i = 0; i < 100 && (status = await login()) !== 0; i += 1) await Bun.sleep(50);
  expect(status).toBe(0);
}, 30_000);

test("the only portal answers BUSY instead of dropping its sessions when it does not reach a primary", async () => {
  const { lines, waiting } = await stage();
  const host = await waiting();
  let answer = await host.next();
  // The portal asks a silent host whether it is there.
  while (answer.opcode === 0x20) answer = await host.next();
  expect([answer.opcode, answer.header[3]]).toEqual([0x21, 8]);
  expect(logged(lines, "cannot be reached from here")).toBe(false);
  host.destroy();
  await until(() => host.closed, "gone");
}, 30_000);
