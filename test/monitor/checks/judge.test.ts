import { describe, expect, test } from "bun:test";
import { ClusterMap } from "../../../src/cluster/map.ts";
import { groupId, keys } from "../../../src/cluster/schema.ts";
import { judge } from "../../../src/monitor/checks/judge.ts";
import { driveOf, GIB, Scene } from "../sight.ts";

const DAY_MS = 86_400_000;

test("of a healthy cluster there is nothing to say, nor of one that is not there", () => {
  expect(new Scene().found).toEqual([]);
  expect(judge({ ...new Scene().sight, map: new ClusterMap() })).toEqual([]);
});

test("every finding says what it is, what it is about, and what to do", () => {
  const scene = new Scene(4);
  scene.serverDown(2);
  scene.check("server-1", { system: { totalBytes: 100, freeBytes: 1 }, storeMs: 4000, certificates: [{ name: "server.crt", notAfterMs: 0 }] });
  scene.check("server-3", { drives: [scene.drive(3, { smart: { passed: false, reallocated: 0, pending: 4, uncorrectable: 0, wornPercent: 99, celsius: 80 } })], version: "2.0.0" });
  const { findings } = scene;
  expect(findings.length).toBeGreaterThan(8);
  for (const { sentence, step } of findings) {
    expect(sentence).toMatch(/^\S.*\.$/);
    expect(step).toMatch(/^[A-Z].*[.?]$/);
  }
});

describe("servers", () => {
  test("one that does not answer is critical, and what follows from it is not told besides", () => {
    const scene = new Scene();
    scene.serverDown(2);
    // Its groups have failed over.
    for (const [group, { config }] of scene.map.groups) {
      const members = config.members.filter((drive) => drive !== driveOf(2));
      scene.put(keys.group(group), { ...config, epoch: 2, primary: members[0], members });
    }
    for (const n of [1, 3]) scene.observe(n, 0);
    expect(scene.found).toEqual(["server-down server-2 critical"]);
    expect(scene.findings[0]?.step).toContain("do not power off another server");
  });
  test("a portal that is not open, a silent monitor and a process that does not run are told of servers that are up", () => {
    const scene = new Scene();
    scene.put(keys.upGateway(1), null);
    scene.checked.delete("server-2");
    scene.check("server-3", { roles: [{ role: "management", running: false, restarts: 1 }, { role: "storage-0", running: true, restarts: 3 }] });
    expect(scene.found.sort()).toEqual(["monitor-silent server-2 warning", "portal-down server-1 warning", "role-down server-3/management warning", "role-restarts server-3/storage-0 warning"]);
  });
  test("servers of different versions are named with them", () => {
    const scene = new Scene();
    scene.check("server-2", { version: "1.1.0" });
    expect(scene.findings.map(({ sentence }) => sentence)).toEqual(["The servers do not run the same version: server-1, server-3 with 1.0.0; server-2 with 1.1.0."]);
  });
});

describe("drives", () => {
  test("one that does not serve is told while its server is up; one that failed is critical and told once", () => {
    const scene = new Scene(4);
    scene.put(keys.upDrive(driveOf(1)), null);
    scene.put(keys.upDrive(driveOf(2)), null);
    scene.put(keys.failed("server-2"), [{ id: driveOf(2), directory: "/drives/2", instance: 1, atMs: 1, why: "fsync gave EIO" }]);
    const drives = scene.findings.filter(({ kind }) => kind.startsWith("drive"));
    expect(drives.map(({ kind, subject }) => `${kind} ${subject}`).sort()).toEqual([`drive-down ${driveOf(1)}`, `drive-failed ${driveOf(2)}`]);
    expect(drives.find(({ kind }) => kind === "drive-failed")?.sentence).toContain("fsync gave EIO");
  });
  test.each([
    [{ passed: false }, "drive-failing critical"],
    [{ pending: 1 }, "drive-sectors warning"],
    [{ uncorrectable: 2 }, "drive-sectors warning"],
    [{ reallocated: 10 }, "drive-sectors warning"],
    [{ wornPercent: 90 }, "drive-worn warning"],
    [{ wornPercent: 101 }, "drive-worn critical"],
    [{ celsius: 60 }, "drive-hot warning"],
  ])("SMART %j", (change, expected) => {
    const scene = new Scene();
    const drive = scene.drive(1);
    scene.check("server-1", { drives: [{ ...drive, smart: { ...drive.smart!, ...change } }] });
    expect(scene.findings.map(({ kind, severity, subject, source }) => [`${kind} ${severity}`, subject, source])).toEqual([[expected, driveOf(1), "server-1"]]);
    expect(scene.findings[0]?.sentence).toContain("/dev/sdb, ST4000, serial ZC1");
  });
  test("values that drives have in good health are no finding", () => {
    const scene = new Scene();
    const drive = scene.drive(1);
    scene.check("server-1", { drives: [{ ...drive, smart: { ...drive.smart!, reallocated: 9, wornPercent: 89, celsius: 59 } }] });
    scene.check("server-2", { drives: [scene.drive(2, { smart: null, ioErrors: null, latencyMs: null, device: null })] });
    scene.check("server-3", { drives: [scene.drive(3, { rotational: false, smart: { ...drive.smart!, celsius: 65 } })] });
    expect(scene.found).toEqual([]);
  });
  test("I/O errors of the last hour are told", () => {
    const scene = new Scene();
    scene.check("server-1", { drives: [scene.drive(1, { ioErrors: 1 })] });
    expect(scene.findings[0]?.sentence).toBe(`Drive ${driveOf(1)} (/dev/sdb, ST4000, serial ZC1) of server-1 has given 1 I/O error within the last hour.`);
  });
  test("a drive that is far slower than its peers of the same kind is told, not one that is slow among slow ones", () => {
    const scene = new Scene(4);
    const all = (latencies: readonly number[], rotational = true): void => latencies.forEach((latencyMs, index) => scene.check(`server-${index + 1}`, { drives: [scene.drive(index + 1, { latencyMs, rotational })] }));
    all([8, 9, 7, 180]);
    expect(scene.found).toEqual([`drive-slow ${driveOf(4)} warning`]);
    all([120, 140, 130, 180]);
    expect(scene.found).toEqual([]);
    // Fast enough by itself.
    all([0.1, 0.1, 0.1, 5], false);
    expect(scene.found).toEqual([]);
    all([0.1, 0.1, 0.1, 30], false);
    expect(scene.found).toEqual([`drive-slow ${driveOf(4)} warning`]);
  });
  test("what fills up, was repaired or was lost is told of each drive", () => {
    const scene = new Scene();
    scene.observe(1, 96 * GIB);
    scene.observe(2, 86 * GIB, { damage: [{ drive: driveOf(3), repaired: 2, lost: 0, differs: 0 }] });
    expect(scene.found.filter((text) => text.startsWith("drive") || text.startsWith("blocks")).sort()).toEqual([`blocks-repaired ${driveOf(3)} info`, `drive-filling ${driveOf(2)} warning`, `drive-full ${driveOf(1)} critical`]);
  });
});

describe("clocks", () => {
  const skew = (ahead: Record<string, Record<string, number>>, servers = 3): string[] => {
    const scene = new Scene(servers);
    for (const [server, bounds] of Object.entries(ahead)) scene.check(server, { ahead: bounds });
    return scene.findings.map(({ kind, subject, severity, sentence }) => `${kind} ${subject} ${severity}: ${sentence}`);
  };
  test("one that is ahead of all others is named, and they are not", () => {
    expect(skew({ "server-1": { "server-2": 900 }, "server-3": { "server-2": 700 } })).toEqual(["clock-skew server-2 warning: The clock of server-2 is at least 0.7 s ahead of the other servers'."]);
  });
  test("one that is behind is named by what it says of the others", () => {
    expect(skew({ "server-2": { "server-1": 86_400_000, "server-3": 86_399_000 } })).toEqual(["clock-skew server-2 critical: The clock of server-2 is at least 24 h behind the other servers'."]);
  });
  test("half a second is no finding, two seconds are critical", () => {
    expect(skew({ "server-1": { "server-2": 500 }, "server-3": { "server-2": 500 } })).toEqual([]);
    expect(skew({ "server-1": { "server-2": 2_001 }, "server-3": { "server-2": 2_001 } })[0]).toContain("critical");
  });
  test("of two servers nobody knows which is wrong", () => {
    expect(skew({ "server-1": { "server-2": 900 } }, 2)).toHaveLength(2);
  });
});

describe("machines", () => {
  test("a link that is down or loses packets is told when the product uses it", () => {
    const scene = new Scene();
    const nic = { name: "eth0", used: true, link: true, speed: null, errors: 0, packets: 10_000 };
    scene.check("server-1", { nics: [{ ...nic, link: false }] });
    scene.check("server-2", { nics: [{ ...nic, errors: 20 }] });
    scene.check("server-3", { nics: [{ ...nic, used: false, link: false }, { ...nic, errors: 10 }, { ...nic, name: "eth1", errors: 9, packets: 9 }] });
    expect(scene.found).toEqual(["link-down server-1/eth0 warning", "link-errors server-2/eth0 warning"]);
  });
  test("a system partition, certificates and the store's member", () => {
    const scene = new Scene();
    scene.check("server-1", { system: { totalBytes: 100, freeBytes: 15 }, certificates: [{ name: "server.crt", notAfterMs: scene.wallMs + 29 * DAY_MS }] });
    scene.check("server-2", { system: { totalBytes: 100, freeBytes: 5 }, certificates: [{ name: "server.crt", notAfterMs: scene.wallMs + 6 * DAY_MS }, { name: "ca.crt", notAfterMs: scene.wallMs + 31 * DAY_MS }] });
    scene.check("server-3", { member: { running: false }, storeMs: 5_000 });
    expect(scene.found.sort()).toEqual(["certificate-expiry server-1/server.crt warning", "certificate-expiry server-2/server.crt critical", "store-member-down server-3 critical", "system-full server-1 warning", "system-full server-2 critical"]);
  });
  test("a channel that does not get through is told by the others and on every screen", () => {
    const scene = new Scene();
    scene.notified.set("mail", { record: { event: 1, atMs: 1, failing: { sinceMs: scene.wallMs - 60_000, sentence: "Nothing listens there." } }, revision: 1 });
    expect(scene.findings.map(({ kind, sentence }) => [kind, sentence])).toEqual([["notification-failed", expect.stringContaining("Mail does not get through since 2027-01-15 07:59 UTC: Nothing listens there.")]]);
  });
});

describe("the cluster", () => {
  test("read-only, waiting and short of copies", () => {
    const scene = new Scene();
    const first = groupId(1, 0);
    const { config } = scene.map.groups.get(first)!;
    scene.put(keys.group(first), { ...config, members: [config.primary] });
    expect(scene.found).toEqual(["copies-short cluster warning"]);
    scene.put(keys.observed(driveOf(1)), { instance: 1, usedBytes: 0, groups: [] });
    expect(scene.found[0]).toBe("unavailable cluster critical");
    expect(scene.findings[0]?.sentence).toMatch(/^[0-9]+ of 6 groups have no serving copy/);
    scene.put(keys.mode, { mode: "read-only", sinceMs: 1, groups: [first], cause: "server-1 stopped answering" });
    expect(scene.found[0]).toBe("read-only cluster critical");
  });
  test("it fills up, is full, and could not heal the loss of a server", () => {
    const used = (bytes: number, servers = 3): string[] => {
      const scene = new Scene(servers);
      for (let n = 1; n <= servers; n++) scene.observe(n, bytes);
      return scene.found.filter((text) => text.startsWith("capacity"));
    };
    expect(used(60 * GIB)).toEqual([]);
    // Three servers with two copies: two are left, which need room for everything.
    expect(used(65 * GIB)).toEqual(["capacity-heal cluster warning"]);
    expect(used(80 * GIB)).toEqual(["capacity-soft cluster warning", "capacity-heal cluster warning"]);
    expect(used(95 * GIB)).toEqual(["capacity-hard cluster critical"]);
    // With as many servers as copies there is nowhere to heal to; nobody need be told each day.
    expect(used(65 * GIB, 2)).toEqual([]);
  });
});
