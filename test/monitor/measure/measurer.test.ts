import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alertingKeys, type Checked } from "../../../src/cluster/alerting.ts";
import { ClusterMap } from "../../../src/cluster/map.ts";
import { keys } from "../../../src/cluster/schema.ts";
import { judge } from "../../../src/monitor/checks/judge.ts";
import { Measurer } from "../../../src/monitor/measure/measurer.ts";
import type { Commands } from "../../../src/platform/command.ts";
import { realClock } from "../../../src/platform/clock.ts";
import { realFiles } from "../../../src/platform/files.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { MemoryStore } from "../../../src/platform/store/memory.ts";
import { FakeClock, FakeLog, fakePlatform } from "../fake-platform.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "virtustor-measure-"));
  mkdirSync(join(directory, "run"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const missing: Commands = { run: async () => ({ outcome: "missing" }) };
const NAMES = ["server-1", "server-2", "server-3"];

/** A server's monitor whose wall clock is off; what it publishes is caught and given to the others later. */
class Server {
  readonly measurer: Measurer;
  readonly published: Checked[] = [];
  offMs = 0;

  constructor(name: string, clock: FakeClock, store: MemoryStore, map: ClusterMap, commands: Commands = missing) {
    const fake = fakePlatform(clock, new FakeLog());
    const platform: Platform = { ...fake, files: realFiles(), clock: { nowMs: () => clock.nowMs(), wallMs: () => clock.nowMs() + this.offMs, timer: (ms, run) => clock.timer(ms, run), soon: (run) => clock.soon(run) } };
    this.measurer = new Measurer({
      platform, store: store.client(name), commands, map, server: name, version: "1", directory, tlsDirectory: join(directory, "tls"), address: "10.0.0.1",
      drives: () => [{ directory: "/drives/0", port: 7000 }], roles: () => ["monitor"], member: () => false, publish: (checked) => void this.published.push(checked),
    });
  }
}

function world(): { clock: FakeClock; map: ClusterMap; servers: Server[] } {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock: realClock() });
  const map = new ClusterMap();
  map.changed([{ key: keys.cluster, value: JSON.stringify({ id: "0".repeat(32), name: "t", incarnation: 1, targetName: "iqn.x", formedAtMs: 0 }), revision: 1 }], 1);
  NAMES.forEach((name, index) => map.changed([{ key: keys.server(name), value: JSON.stringify({ name, address: "127.0.0.1", portalPort: 1, apiPort: 1, portalGroupTag: index + 1 }), revision: 2 }], 2));
  return { clock, map, servers: NAMES.map((name) => new Server(name, clock, store, map)) };
}

/** All servers publish, the store passes it on after `delayMs`, and they publish again what they have learned. */
async function exchange({ clock, map, servers }: ReturnType<typeof world>, delayMs: number): Promise<string[]> {
  const first = await Promise.all(servers.map(({ measurer }) => measurer.measure()));
  await clock.advance(delayMs);
  servers.forEach(({ measurer }) => first.forEach(({ server, sentAtMs }) => measurer.heard(server, sentAtMs)));
  const second = await Promise.all(servers.map(({ measurer }) => measurer.measure()));
  const findings = judge({ map, checked: new Map(second.map((checked) => [checked.server, checked])), notified: new Map(), pauses: null, wallMs: 0 });
  return findings.filter(({ kind }) => kind === "clock-skew").map(({ subject, severity, sentence }) => `${subject} ${severity} ${/ahead|behind/.exec(sentence)?.[0]}`);
}

test("a clock that is off is found, ahead or behind, by what the others hear when", async () => {
  const ahead = world();
  ahead.servers[1]!.offMs = 86_400_000;
  expect(await exchange(ahead, 20)).toEqual(["server-2 critical ahead"]);
  const behind = world();
  behind.servers[2]!.offMs = -1_000;
  expect(await exchange(behind, 20)).toEqual(["server-3 warning behind"]);
});

test("a store that is slow by seconds makes nobody suspect a clock; it only hides as much", async () => {
  expect(await exchange(world(), 8_000)).toEqual([]);
  const off = world();
  off.servers[0]!.offMs = 9_000;
  // Of the nine seconds one is proved.
  expect(await exchange(off, 8_000)).toEqual(["server-1 warning ahead"]);
});

test("without tools, files and devices a server is measured all the same: what is not known is left open", async () => {
  const { servers: [server] } = world();
  const checked = await server!.measurer.measure();
  expect(checked).toMatchObject({ roles: [], nics: [], certificates: [], member: null, drives: [{ path: "/drives/0", id: null, device: null, smart: null, ioErrors: null, latencyMs: null }] });
  expect(checked.system?.totalBytes).toBeGreaterThan(0);
});

test("a drive is asked for its SMART values through the disk under it, processes are read from the supervisor's list", async () => {
  writeFileSync(join(directory, "run", "pids.json"), JSON.stringify([{ role: "server", pid: 1, startTicks: 1 }]));
  const asked: string[] = [];
  const answers: Record<string, unknown> = {
    findmnt: { filesystems: [{ source: "/dev/sdx1" }] },
    lsblk: { blockdevices: [{ name: "sdx", path: "/dev/sdx", type: "disk", model: "M", serial: "S", rota: false }] },
    smartctl: { smart_status: { passed: true }, temperature: { current: 30 } },
  };
  const commands: Commands = {
    run: async (argv) => {
      asked.push(argv.join(" "));
      const answer = answers[argv[0] ?? ""];
      // smartctl's exit code is a set of bits, not a failure.
      return answer === undefined ? { outcome: "failed", reason: "hangs" } : { outcome: "ended", exitCode: argv[0] === "smartctl" ? 4 : 0, stdout: JSON.stringify(answer) };
    },
  };
  const clock = new FakeClock();
  const server = new Server("server-1", clock, new MemoryStore({ clock: realClock() }), world().map, commands);
  await server.measurer.measure();
  // It is read beside everything else, since a drive may take its time.
  const checked = await server.measurer.measure();
  expect(asked).toContain("smartctl --json=c -a /dev/sdx");
  expect(checked.drives).toMatchObject([{ device: "/dev/sdx", model: "M", serial: "S", rotational: false, ioErrors: null, smart: { passed: true, celsius: 30 } }]);
  expect(checked.roles).toEqual([{ role: "monitor", running: false, restarts: 0 }, { role: "server", running: true, restarts: 0 }]);
  expect(alertingKeys.checked(checked.server)).toBe("checked/server-1");
});
