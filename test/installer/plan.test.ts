import { describe, expect, test } from "bun:test";
import { choicesOf, devicesOf, type DriveChoice } from "../../src/installer/drives.ts";
import { serialOrDevice, unattendedChoice, wordToType, type UnattendedRequest } from "../../src/installer/installation.ts";
import { keepStateRefusal, planInstallation } from "../../src/installer/plan.ts";
import { PROBES, SERVER } from "./lsblk-answers.ts";

const GIB = 2 ** 30;
const drives = choicesOf(devicesOf(SERVER, PROBES));
function drive(device: string): DriveChoice {
  const found = drives.find((one) => one.device === device);
  if (found === undefined) throw new Error(`no ${device}`);
  return found;
}

describe("the drives of a server", () => {
  test("are its disks, without loop devices, DVD drives, memory and readers without a card", () => {
    expect(drives.map(({ device }) => device)).toEqual(["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd", "/dev/sde", "/dev/sdf", "/dev/sdg", "/dev/sdh", "/dev/nvme0n1", "/dev/vda"]);
  });
  test("are told with what is on them", () => {
    expect(drive("/dev/sda").content).toEqual(["empty"]);
    expect(drive("/dev/sdb").content).toEqual(["2 partitions (gpt)", '/dev/sdb1  1 GiB  vfat "EFI"', '/dev/sdb2  930 GiB  ext4 "root"']);
    expect(drives.map(({ device, holds }) => [device, holds])).toEqual([
      ["/dev/sda", "nothing"], ["/dev/sdb", "foreign"], ["/dev/sdc", "medium"], ["/dev/sdd", "system"], ["/dev/sde", "nothing"],
      ["/dev/sdf", "nothing"], ["/dev/sdg", "foreign"], ["/dev/sdh", "foreign"], ["/dev/nvme0n1", "data"], ["/dev/vda", "nothing"],
    ]);
  });
  test("are refused with a sentence that names the drive and says what to do", () => {
    expect(drive("/dev/sda").refusal).toBeNull();
    expect(drive("/dev/sdc").refusal).toBe("/dev/sdc is the installation medium. Choose another drive.");
    expect(drive("/dev/sde").refusal).toBe("/dev/sde has 8 GiB; a system drive needs at least 16 GiB. Choose a larger drive.");
    expect(drive("/dev/sdf").refusal).toContain("is read-only");
    expect(drive("/dev/sdg").refusal).toBe("/dev/sdg is part of /dev/md0 (raid1), which is in use. Take that apart first, or choose another drive.");
    expect(drive("/dev/sdh").refusal).toBe("/dev/sdh1 is in use: mounted on /data. Unmount it, or choose another drive.");
  });
  test("whose content cannot be read or contradicts itself are not empty", () => {
    const probe = { filesystem: "contradicting signatures", label: null, uuid: null, partitionTable: null, partitionName: null, virtustorData: false, serverName: null };
    const [sda] = choicesOf(devicesOf(SERVER, new Map([["/dev/sda", probe]])));
    expect(sda).toMatchObject({ holds: "foreign", content: ["contradicting signatures"] });
  });
  test("with a VirtuStor data drive's label are data drives also when nothing looked into them", () => {
    const labelled = { blockdevices: [{ path: "/dev/sdx", type: "disk", size: 100 * GIB, fstype: "xfs", label: "vs-data-1" }] };
    expect(choicesOf(devicesOf(labelled, new Map()))[0]?.holds).toBe("data");
  });
});

describe("the plan of a fresh drive", () => {
  test("has boot partitions, two slots of 1 GiB and the state, and leaves what is over 32 GiB of state alone", () => {
    const plan = planInstallation(drive("/dev/sda"), "erase");
    expect(plan.table).toBe(
      [
        "label: gpt",
        'size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name="vs-boot"',
        'size=256MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="vs-esp"',
        'size=1024MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="vs-slot-a"',
        'size=1024MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="vs-slot-b"',
        'size=32768MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="vs-state"',
        "",
      ].join("\n"),
    );
    expect(plan.partitions.map(({ path, format }) => [path, format])).toEqual([["/dev/sda1", false], ["/dev/sda2", true], ["/dev/sda3", true], ["/dev/sda4", true], ["/dev/sda5", true]]);
    expect(plan.unusedBytes).toBe((447 - 34) * GIB - 259 * 2 ** 20);
  });
  test("gives the state what there is on the smallest drive, and fits it", () => {
    const plan = planInstallation({ ...drive("/dev/vda"), sizeBytes: 16 * GIB + 12345 }, "erase");
    const used = plan.partitions.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(plan.unusedBytes).toBe(0);
    expect(16 * GIB - used).toBe(2 * 2 ** 20);
    expect(plan.partitions.at(-1)?.sizeBytes).toBeGreaterThan(13 * GIB);
  });
  test("names partitions of NVMe drives as the kernel does", () => {
    expect(planInstallation(drive("/dev/nvme0n1"), "erase").partitions.at(-1)?.path).toBe("/dev/nvme0n1p5");
  });
  test("is made for no drive that is refused", () => {
    expect(() => planInstallation(drive("/dev/sde"), "erase")).toThrow();
  });
});

describe("the plan that keeps the state", () => {
  test("formats everything but the state partition and writes no table", () => {
    const plan = planInstallation(drive("/dev/sdd"), "keep-state");
    expect(plan.table).toBeNull();
    expect(plan.partitions.map(({ role, format }) => [role, format])).toEqual([["bios", false], ["esp", true], ["slotA", true], ["slotB", true], ["state", false]]);
  });
  test("is not possible without a system, with a state that cannot be read, or with slots that are too small", () => {
    const old = drive("/dev/sdd");
    const { existing } = old;
    if (existing === null) throw new Error("no system");
    expect(keepStateRefusal(old)).toBeNull();
    expect(keepStateRefusal(drive("/dev/sda"))).toContain("no complete VirtuStor system");
    expect(keepStateRefusal({ ...old, existing: { ...existing, state: { ...existing.state, filesystem: null } } })).toContain("no readable ext4");
    expect(keepStateRefusal({ ...old, existing: { ...existing, slotA: existing.slotB, slotB: existing.slotA } })).toContain("not in the order");
    expect(keepStateRefusal({ ...old, existing: { ...existing, slotB: { ...existing.slotB, sizeBytes: GIB / 2 } } })).toBe("/dev/sdd4 has 512 MiB, this version needs 1 GiB there. The state on /dev/sdd cannot be kept.");
  });
});

describe("a confirmation", () => {
  test("asks for a word, and for the serial number where copies of volumes or a server's state would be lost", () => {
    expect(wordToType(drive("/dev/sda"), "erase")).toBe("erase");
    expect(wordToType(drive("/dev/sdb"), "erase")).toBe("erase");
    expect(wordToType(drive("/dev/nvme0n1"), "erase")).toBe("PHLJ1");
    expect(wordToType(drive("/dev/sdd"), "erase")).toBe("OLDSYS1");
    expect(wordToType(drive("/dev/sdd"), "keep-state")).toBe("reinstall");
    expect(serialOrDevice(drive("/dev/vda"))).toBe("/dev/vda");
  });
  const request = (more: Partial<UnattendedRequest>): UnattendedRequest => ({ device: "/dev/sda", confirm: "S45PNA0M", keepState: false, eraseVirtustor: false, ...more });
  const choose = (more: Partial<UnattendedRequest>): string => unattendedChoice(request(more), drives).mode;
  test("of a program is the serial number of just that drive", () => {
    expect(choose({})).toBe("erase");
    expect(() => choose({ confirm: "OTHER" })).toThrow("--confirm must be the serial number of /dev/sda (SAMSUNG MZ7LH480)");
    expect(() => choose({ confirm: "" })).toThrow("Nothing was changed");
    expect(choose({ device: "/dev/vda", confirm: "/dev/vda" })).toBe("erase");
    expect(() => choose({ device: "/dev/vda", confirm: "" })).toThrow("states no serial number");
    expect(() => choose({ device: "/dev/sdz" })).toThrow("There is no drive /dev/sdz");
    expect(() => choose({ device: "/dev/sde", confirm: "SMALL1" })).toThrow("needs at least 16 GiB");
    expect(() => choose({ device: "/dev/sdc", confirm: "4C5300" })).toThrow("is the installation medium");
  });
  test("of a program must name the loss of copies or of a server's state by itself", () => {
    expect(() => choose({ device: "/dev/nvme0n1", confirm: "PHLJ1" })).toThrow("copies of volumes would be lost");
    expect(choose({ device: "/dev/nvme0n1", confirm: "PHLJ1", eraseVirtustor: true })).toBe("erase");
    expect(() => choose({ device: "/dev/sdd", confirm: "OLDSYS1" })).toThrow("--keep-state keeps it");
    expect(choose({ device: "/dev/sdd", confirm: "OLDSYS1", keepState: true })).toBe("keep-state");
    expect(() => choose({ keepState: true })).toThrow("no complete VirtuStor system");
  });
});
