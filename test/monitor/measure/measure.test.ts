import { describe, expect, test } from "bun:test";
import type { Commands } from "../../../src/platform/command.ts";
import { countIoErrors, deviceUnder, meanLatencyMs, parseBlockStat } from "../../../src/monitor/measure/devices.ts";
import { parseNics } from "../../../src/monitor/measure/nics.ts";
import { RoleStarts } from "../../../src/monitor/measure/roles.ts";
import { parseSmart } from "../../../src/monitor/measure/smart.ts";

describe("SMART", () => {
  test("of a hard disk, as smartctl 7.3 tells it", () => {
    const text = JSON.stringify({
      smartctl: { version: [7, 3], exit_status: 8 },
      device: { name: "/dev/sdb", type: "sat" },
      smart_status: { passed: false },
      ata_smart_attributes: { table: [{ id: 5, name: "Reallocated_Sector_Ct", value: 90, raw: { value: 24, string: "24" } }, { id: 197, value: 100, raw: { value: 8 } }, { id: 198, value: 100, raw: { value: 3 } }, { id: 194, value: 30, raw: { value: 240519151646 } }] },
      temperature: { current: 38 },
    });
    expect(parseSmart(text)).toEqual({ passed: false, reallocated: 24, pending: 8, uncorrectable: 3, wornPercent: null, celsius: 38 });
  });
  test("of an NVMe drive: its media errors, its wear, and a warning that means failing", () => {
    const log = { critical_warning: 0, percentage_used: 12, media_errors: 1, available_spare: 100 };
    const text = (change: object): string => JSON.stringify({ smart_status: { passed: true }, temperature: { current: 41 }, nvme_smart_health_information_log: { ...log, ...change } });
    expect(parseSmart(text({}))).toEqual({ passed: true, reallocated: null, pending: null, uncorrectable: 1, wornPercent: 12, celsius: 41 });
    expect(parseSmart(text({ critical_warning: 0b1000 }))?.passed).toBe(false);
    // Only warm: that is told as a temperature.
    expect(parseSmart(text({ critical_warning: 0b10 }))?.passed).toBe(true);
  });
  test("of a SATA SSD by what is left of its life, and of a SAS drive", () => {
    expect(parseSmart(JSON.stringify({ ata_smart_attributes: { table: [{ id: 231, value: 7, raw: { value: 7 } }] } }))?.wornPercent).toBe(93);
    expect(parseSmart(JSON.stringify({ smart_status: { passed: true }, scsi_grown_defect_list: 5, scsi_error_counter_log: { read: { total_uncorrected_errors: 2 }, write: { total_uncorrected_errors: 1 } } }))).toEqual({ passed: true, reallocated: 5, pending: null, uncorrectable: 3, wornPercent: null, celsius: null });
  });
  test("what is no answer, or says nothing of health, is not known", () => {
    for (const text of ["", "Permission denied", "[]", "{}", '{"smart_status":"yes"}', JSON.stringify({ device: { name: "/dev/vda" }, smartctl: { exit_status: 2 } })]) expect(parseSmart(text)).toBeNull();
  });
});

describe("links", () => {
  const stats = (errors: number, packets: number) => ({ rx: { bytes: 1, packets, errors, dropped: 0 }, tx: { bytes: 1, packets: 0, errors: 0 } });
  const port = (ifname: string, more: object = {}) => ({ ifindex: 1, ifname, flags: ["BROADCAST", "UP", "LOWER_UP"], link_type: "ether", addr_info: [], stats64: stats(0, 100), ...more });
  const bond = [
    port("lo", { link_type: "loopback", addr_info: [{ local: "127.0.0.1" }] }),
    port("eth0", { master: "bond0" }),
    port("eth1", { master: "bond0", flags: ["BROADCAST", "UP", "NO-CARRIER"] }),
    port("eth2"),
    port("bond0"),
    port("bond0.7", { link: "bond0", addr_info: [{ local: "10.0.0.1" }] }),
  ];
  test("the parts of a bond under a VLAN that has the address are used; one without a link shows", () => {
    const { nics } = parseNics(JSON.stringify(bond), "10.0.0.1", new Map())!;
    expect(nics.filter(({ used }) => used).map(({ name, link }) => [name, link])).toEqual([["eth0", true], ["eth1", false], ["bond0", true], ["bond0.7", true]]);
  });
  test("errors count since the last look, and not at the first", () => {
    const first = parseNics(JSON.stringify([port("eth0", { stats64: stats(50, 1000), addr_info: [{ local: "10.0.0.1" }] })]), "10.0.0.1", new Map())!;
    expect(first.nics[0]).toMatchObject({ errors: 0, packets: 0 });
    const second = parseNics(JSON.stringify([port("eth0", { stats64: stats(62, 1500) })]), "10.0.0.1", first.counts)!;
    expect(second.nics[0]).toMatchObject({ errors: 12, packets: 500 });
  });
  test("what is not ip's answer says nothing", () => {
    for (const text of ["", "{}", "[1]", "Object \"foo\" is unknown"]) expect(parseNics(text, "10.0.0.1", new Map())).toBeNull();
  });
});

describe("drives", () => {
  const answers = (of: Record<string, unknown>): Commands => ({
    run: async ([program = ""]) => (of[program] === undefined ? { outcome: "missing" } : { outcome: "ended", exitCode: 0, stdout: JSON.stringify(of[program]) }),
  });
  test("the disk under a directory is found through its partition", async () => {
    const lsblk = { blockdevices: [{ name: "sdb1", path: "/dev/sdb1", type: "part", model: null, serial: null, rota: true, children: [{ name: "sdb", path: "/dev/sdb", type: "disk", model: "ST4000 ", serial: "ZC1", rota: true }] }] };
    expect(await deviceUnder(answers({ findmnt: { filesystems: [{ source: "/dev/sdb1[/a]" }] }, lsblk }), "/drives/1")).toEqual({ path: "/dev/sdb", name: "sdb", model: "ST4000", serial: "ZC1", rotational: true, disk: true });
  });
  test("where there is none, or the tools are missing, nothing is known", async () => {
    expect(await deviceUnder(answers({ findmnt: { filesystems: [{ source: "overlay" }] } }), "/drives/1")).toBeNull();
    expect(await deviceUnder(answers({}), "/drives/1")).toBeNull();
    expect(await deviceUnder(answers({ findmnt: "nonsense" }), "/drives/1")).toBeNull();
  });
  test("the mean time of a request is of the last interval, and of enough requests", () => {
    const before = parseBlockStat("   100 0 800 1000  50 0 400 500 0 0 0 0 0 0 0");
    const now = parseBlockStat("   150 0 800 3000  100 0 400 1500 0 0 0 0 0 0 0");
    expect(before).toEqual({ requests: 150, ticksMs: 1500 });
    expect(meanLatencyMs(before!, now)).toBe(30);
    expect(meanLatencyMs(now!, now)).toBeNull();
    expect(meanLatencyMs(undefined, now)).toBeNull();
    expect(parseBlockStat("")).toBeNull();
  });
  test("I/O errors of the kernel's log count by device, those of the window alone", () => {
    const log = [
      "<3>[   10.000000] I/O error, dev sdb, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0",
      "<3>[ 5000.100000] I/O error, dev sdb, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0",
      "<3>[ 5000.200000] blk_update_request: I/O error, dev sdc, sector 1 op 0x1:(WRITE)",
      "<3>[ 5001.000000] critical medium error, dev sdb, sector 1",
      "<3>[ 5002.000000] I/O error, dev sdb, sector 1",
      "<3>[ 5003.000000] EXT4-fs error (device sda1)",
    ].join("\n");
    expect([...countIoErrors(log, 4000)]).toEqual([["sdb", 2], ["sdc", 1]]);
  });
});

describe("processes", () => {
  const list = (...pids: number[]): string => JSON.stringify(pids.map((pid, index) => ({ role: ["server", "management", "iscsi"][index], pid, startTicks: pid * 10 })));
  test("one that is started again and again shows, within its ten minutes", () => {
    const starts = new RoleStarts();
    const restarts = (text: string, nowMs: number) => starts.look(text, [], nowMs)?.find(({ role }) => role === "iscsi")?.restarts;
    expect(restarts(list(1, 2, 3), 0)).toBe(0);
    expect(restarts(list(1, 2, 4), 1_000)).toBe(1);
    expect(restarts(list(1, 2, 5), 2_000)).toBe(2);
    expect(restarts(list(1, 2, 5), 599_000)).toBe(2);
    expect(restarts(list(1, 2, 5), 601_500)).toBe(1);
  });
  test("one that should run and does not shows; a list that cannot be read says nothing", () => {
    const starts = new RoleStarts();
    expect(starts.look(list(1), ["management"], 0)).toEqual([{ role: "management", running: false, restarts: 0 }, { role: "server", running: true, restarts: 0 }]);
    for (const text of ["", "{}", "[{}]"]) expect(starts.look(text, [], 0)).toBeNull();
  });
});
