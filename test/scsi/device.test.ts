import { expect, test } from "bun:test";
import { Arrival } from "../../src/base/arrival.ts";
import { DeviceServer } from "../../src/scsi/device.ts";
import { Nexus } from "../../src/scsi/nexus.ts";
import { DEVICE_RESET_OCCURRED, REPORTED_LUNS_CHANGED, volumeFailure, type ScsiResult } from "../../src/scsi/sense.ts";
import { unit } from "../iscsi/memory-access.ts";
import { MemoryVolume } from "../iscsi/memory-volume.ts";

const SIZE = 131072;
const END = SIZE.toString(16).padStart(8, "0");

function setup(): { volume: MemoryVolume; run: (cdb: string, data?: Buffer, lun?: number | null) => Promise<ScsiResult>; sense: (cdb: string, data?: Buffer, lun?: number) => Promise<string> } {
  const volume = new MemoryVolume(5, SIZE);
  const device = new DeviceServer(() => [{ groupTag: 1 }, { groupTag: 2 }, { groupTag: 2 }]);
  const nexus = new Nexus({ groupTag: 2 }, new Map([[0, unit(volume)], [3, unit(volume, true)]]));
  const run = async (cdb: string, data: Buffer = Buffer.alloc(0), lun: number | null = 0): Promise<ScsiResult> => {
    const bytes = Buffer.alloc(16);
    Buffer.from(cdb.replaceAll(" ", ""), "hex").copy(bytes);
    return device.execute(nexus, lun, bytes, data, new Arrival(0));
  };
  const sense = async (cdb: string, data?: Buffer, lun = 0): Promise<string> => {
    const result = await run(cdb, data, lun);
    return result.sense === null ? `${result.status}` : `${result.status} ${[2, 12, 13].map((at) => result.sense![at]!.toString(16)).join("/")}`;
  };
  return { volume, run, sense };
}

test("commands beyond the end, unknown commands and fields are refused with the sense of the standard", async () => {
  const { sense } = setup();
  expect(await sense(`28 00 ${END} 00 0001 00`)).toBe("2 5/21/0");
  expect(await sense("88 00 ffffffffffffffff 00000001 00 00")).toBe("2 5/21/0");
  expect(await sense(`28 00 ${END} 00 0000 00`)).toBe("0");
  expect(await sense("28 20 00000000 00 0001 00")).toBe("2 5/24/0");
  expect(await sense("88 00 0000000000000000 00008001 00 00")).toBe("2 5/24/0");
  expect(await sense("00 00 00 00 00 04")).toBe("2 5/24/0");
  expect(await sense("16 00 00 00 00 00")).toBe("2 5/20/0");
  expect(await sense("5f 00 00 00 00 00")).toBe("2 5/20/0");
  expect(await sense("15 10 00 00 00 00")).toBe("2 5/20/0");
  expect(await sense("9e 1f")).toBe("2 5/24/0");
  expect(await sense("00", undefined, 9)).toBe("2 5/25/0");
  expect(await sense("1a 00 ff 00 ff 00")).toBe("2 5/39/0");
});

test("a unit that is mapped read-only refuses everything that changes data and says so in its mode pages", async () => {
  const { sense, run, volume } = setup();
  const zeros = Buffer.alloc(512);
  for (const cdb of ["2a 00 00000000 00 0001 00", "41 00 00000000 00 0001 00", "42 00 00000000 00 0018 00", "2e 00 00000000 00 0001 00"]) {
    expect(await sense(cdb, zeros, 3)).toBe("2 7/27/0");
  }
  expect((await run("1a 08 3f 00 ff 00", undefined, 3)).data![2]! & 0x80).toBe(0x80);
  expect((await run("1a 08 3f 00 ff 00")).data![2]! & 0x80).toBe(0);
  expect(volume.calls).toHaveLength(0);
});

test("every failure of a volume has its status and sense", () => {
  const codes = (["unavailable", "no-space", "read-only", "medium-error", "deleted"] as const).map((error) => {
    const { status, sense } = volumeFailure(error, false);
    return `${status} ${sense === null ? "-" : [sense[2], sense[12], sense[13]].join("/")}`;
  });
  expect(codes).toEqual(["8 -", "2 7/39/7", "2 7/39/0", "2 3/17/0", "2 5/37/0"]);
});

test("UNMAP does nothing unless all of its descriptors are valid", async () => {
  const { sense, volume } = setup();
  const list = (...ranges: [number, number][]): Buffer => {
    const data = Buffer.alloc(8 + 16 * ranges.length);
    data.writeUInt16BE(data.length - 2, 0);
    data.writeUInt16BE(16 * ranges.length, 2);
    ranges.forEach(([lba, count], i) => {
      data.writeUInt32BE(lba, 12 + 16 * i);
      data.writeUInt32BE(count, 16 + 16 * i);
    });
    return data;
  };
  expect(await sense("42 00 00000000 00 0028 00", list([0, 8], [SIZE - 1, 2]))).toBe("2 5/21/0");
  expect(await sense("42 00 00000000 00 0028 00", list([0, 8]))).toBe("2 5/1a/0");
  expect(volume.calls).toHaveLength(0);
  expect(await sense("42 00 00000000 00 0038 00", list([0, 8], [16, 0], [64, 1000]))).toBe("0");
  expect(volume.calls.map(({ kind, lba, count }) => [kind, lba, count])).toEqual([["unmap", 0, 8], ["unmap", 64, 1000]]);
});

test("WRITE SAME unmaps for zeros and writes a pattern in pieces", async () => {
  const { sense, volume } = setup();
  expect(await sense("93 00 0000000000000008 00000010 00 00", Buffer.alloc(512))).toBe("0");
  expect(await sense("93 01 0000000000000008 00000010 00 00")).toBe("0");
  expect(volume.calls.every((call) => call.kind === "unmap")).toBe(true);
  const block = Buffer.from(Uint8Array.from({ length: 512 }, (_, i) => i & 0xff));
  expect(await sense("93 08 0000000000000001 00001801 00 00", block)).toBe("0");
  expect(volume.peek(0x1801, 1)).toEqual(block);
  expect(volume.peek(0, 1)).toEqual(Buffer.alloc(512));
  expect(volume.peek(0x1802, 1)).toEqual(Buffer.alloc(512));
  expect(Math.max(...volume.calls.map((call) => (call.kind === "write" ? call.count : 0)))).toBeLessThanOrEqual(2048);
  expect(await sense("93 00 0000000000000000 00000000 00 00", block)).toBe("2 5/24/0");
  expect(await sense("93 00 0000000000000000 00000001 00 00", Buffer.alloc(1024))).toBe("2 5/24/0");
});

test("VERIFY tells where data differs", async () => {
  const { run, volume } = setup();
  const data = Buffer.alloc(1024, 7);
  await volume.write(10, data);
  expect((await run("2f 02 0000000a 00 0002 00", data)).status).toBe(0);
  data[700] = 8;
  const result = await run("2f 02 0000000a 00 0002 00", data);
  expect([result.sense![2], result.sense![12], result.sense!.readUInt32BE(3)]).toEqual([0xe, 0x1d, 700]);
});

/** Offset of the first difference that a miscompare tells. */
const differs = ({ sense }: ScsiResult): unknown[] => [sense![0], sense![2], sense![12], sense![13], sense!.readUInt32BE(3)];
const COMPARE_ONE = "89 00 0000000000000009 00 00 00 01";

test("COMPARE AND WRITE writes its second half when the block holds the first, and nothing else does", async () => {
  const { run, volume } = setup();
  const before = Buffer.alloc(512, 1), after = Buffer.alloc(512, 2);
  await volume.write(9, before);
  expect((await run(COMPARE_ONE, Buffer.concat([before, after]))).status).toBe(0);
  expect(volume.peek(8, 3)).toEqual(Buffer.concat([Buffer.alloc(512), after, Buffer.alloc(512)]));
  expect((await run(COMPARE_ONE, Buffer.concat([before, Buffer.alloc(512, 3)]))).status).toBe(2);
  expect(volume.peek(9, 1)).toEqual(after);
  // One step of the volume, never a read and a write.
  expect(volume.calls.slice(1).map(({ kind, lba, count }) => [kind, lba, count])).toEqual([["compare-and-write", 9, 1], ["compare-and-write", 9, 1]]);
});

test("COMPARE AND WRITE takes a block that was never written as zeros", async () => {
  const { run, volume } = setup();
  expect((await run(COMPARE_ONE, Buffer.concat([Buffer.alloc(512), Buffer.alloc(512, 5)]))).status).toBe(0);
  expect(volume.peek(9, 1)).toEqual(Buffer.alloc(512, 5));
});

test("a miscompare tells where: MISCOMPARE DURING VERIFY with the offset of the first difference in INFORMATION", async () => {
  const { run, volume } = setup();
  const held = Buffer.alloc(512, 1);
  await volume.write(9, held);
  for (const offset of [0, 1, 511]) {
    const expected = Buffer.from(held);
    expected[offset] = 9;
    const result = await run(COMPARE_ONE, Buffer.concat([expected, Buffer.alloc(512, 2)]));
    // F0h: current, fixed format, INFORMATION is valid.
    expect([result.status, ...differs(result)]).toEqual([2, 0xf0, 0xe, 0x1d, 0, offset]);
  }
});

test("COMPARE AND WRITE is refused unless it is one block with both halves, inside the unit and not read-only", async () => {
  const { sense, volume } = setup();
  const data = (blocks: number): Buffer => Buffer.alloc(2 * 512 * blocks);
  expect(await sense(COMPARE_ONE, data(0))).toBe("2 5/24/0");
  expect(await sense(COMPARE_ONE, data(0.5))).toBe("2 5/24/0");
  expect(await sense(COMPARE_ONE, data(2))).toBe("2 5/24/0");
  expect(await sense("89 00 0000000000000009 00 00 00 02", data(2))).toBe("2 5/24/0");
  expect(await sense("89 00 0000000000000009 00 00 00 ff", data(255))).toBe("2 5/24/0");
  // 256 blocks, as an initiator that does not look wraps them.
  expect(await sense("89 00 0000000000000009 00 00 00 00", data(256))).toBe("2 5/24/0");
  expect(await sense("89 00 0000000000000009 00 00 00 00", data(0))).toBe("0");
  expect(await sense("89 20 0000000000000009 00 00 00 01", data(1))).toBe("2 5/24/0");
  expect(await sense(`89 00 00000000${END} 00 00 00 01`, data(1))).toBe("2 5/21/0");
  expect(await sense("89 00 ffffffffffffffff 00 00 00 01", data(1))).toBe("2 5/21/0");
  expect(await sense(COMPARE_ONE, data(1), 3)).toBe("2 7/27/0");
  expect(volume.calls).toHaveLength(0);
  expect(await sense("89 18 0000000000000009 00 00 00 01", data(1))).toBe("0");
});

test("COMPARE AND WRITE that a volume does not carry out has the sense of its failure", async () => {
  const { sense, volume } = setup();
  const failed: string[] = [];
  for (const error of ["unavailable", "no-space", "read-only", "medium-error"] as const) {
    volume.failure = error;
    failed.push(await sense(COMPARE_ONE, Buffer.alloc(1024)));
  }
  expect(failed).toEqual(["8", "2 7/27/7", "2 7/27/0", "2 3/c/0"]);
});

test("the Block Limits page says the longest COMPARE AND WRITE, which is taken, and one more is not", async () => {
  const { run, sense } = setup();
  const blocksMax = (await run("12 01 b0 00ff 00")).data![5]!;
  expect(blocksMax).toBe(1);
  const cdb = (blocks: number): string => `89 00 0000000000000009 00 00 00 ${blocks.toString(16).padStart(2, "0")}`;
  expect(await sense(cdb(blocksMax), Buffer.alloc(2 * 512 * blocksMax))).toBe("0");
  expect(await sense(cdb(blocksMax + 1), Buffer.alloc(2 * 512 * (blocksMax + 1)))).toBe("2 5/24/0");
});

test("the Block Limits page promises what the commands accept", async () => {
  const { run, sense } = setup();
  const page = (await run("12 01 b0 00ff 00")).data!;
  const transferMax = page.readUInt32BE(8);
  expect(await sense(`88 00 0000000000000000 ${transferMax.toString(16).padStart(8, "0")} 00 00`)).toBe("0");
  expect(page.readUInt32BE(20)).toBe(524288);
  expect(page.readUInt32BE(24)).toBe(256);
  expect([1048576 % (page.readUInt32BE(28) * 512), page.readUInt32BE(32)]).toEqual([0, 0x80000000]);
});

test("a unit's identity is its NAA and serial, whatever the portal; the port's is the portal group", async () => {
  const { run } = setup();
  const page = (await run("12 01 83 00ff 00")).data!;
  expect(page.subarray(4, 8)).toEqual(Buffer.from([1, 3, 0, 16]));
  expect(page.toString("hex", 8, 24)).toBe(unit(new MemoryVolume(5, 8)).naa);
  expect(page.subarray(page.length - 8)).toEqual(Buffer.from([0x51, 0x95, 0, 4, 0, 0, 0, 2]));
});

test("all target port groups are active and optimized, one for each server", async () => {
  const { run } = setup();
  const data = (await run("a3 0a 00000000 000000ff 00 00")).data!;
  expect(data.length).toBe(28);
  expect([data[4], data.readUInt16BE(6), data.readUInt16BE(14)]).toEqual([0, 1, 1]);
  expect([data[16], data.readUInt16BE(18), data.readUInt16BE(26)]).toEqual([0, 2, 2]);
});

test("REPORT SUPPORTED OPERATION CODES lists exactly the commands that are not refused as unknown", async () => {
  const { run, sense } = setup();
  const all = (await run("a3 0c 00 00 0000 0000ffff 00 00")).data!;
  const listed = new Set<number>();
  for (let at = 4; at < all.length; at += 8) listed.add(all[at]!);
  for (let opcode = 0; opcode < 256; opcode++) {
    const known = (await sense(`${opcode.toString(16).padStart(2, "0")} 1f`)) !== "2 5/20/0";
    expect([opcode, known]).toEqual([opcode, listed.has(opcode)]);
  }
});

test("a LUN without a unit answers INQUIRY, REPORT LUNS and REQUEST SENSE", async () => {
  const { run } = setup();
  expect((await run("12 00 00 0060 00", undefined, 9)).data![0]).toBe(0x7f);
  expect((await run("a0 00 00 000000 00000100 00 00", undefined, null)).data!.toString("hex")).toBe("000000100000000000000000000000000003000000000000");
  expect((await run("03 00 00 00 ff 00", undefined, 9)).data![12]).toBe(0x25);
});

test("a host that has read the new list of LUNs is not told on every disk that the list changed", async () => {
  const volume = new MemoryVolume(5, SIZE);
  const device = new DeviceServer(() => [{ groupTag: 1 }]);
  const nexus = new Nexus({ groupTag: 1 }, new Map([[0, unit(volume)], [3, unit(volume, true)]]));
  const run = async (cdb: string, lun: number): Promise<string> => {
    const { status, sense } = await device.execute(nexus, lun, Buffer.from(cdb.replaceAll(" ", "").padEnd(32, "0"), "hex"), Buffer.alloc(0), new Arrival(0));
    return sense === null ? `${status}` : `${status} ${[2, 12, 13].map((at) => sense[at]!.toString(16)).join("/")}`;
  };
  nexus.attendAll(REPORTED_LUNS_CHANGED);
  nexus.attend(3, DEVICE_RESET_OCCURRED);
  expect(await run("00", 0)).toBe("2 6/3f/e");
  expect(await run("a0 00 00 000000 00000001", 0)).toBe("2 5/24/0");
  nexus.attend(0, REPORTED_LUNS_CHANGED);
  expect(await run("a0 00 00 000000 00000100", 0)).toBe("0");
  expect([await run("00", 0), await run("00", 3), await run("00", 3)]).toEqual(["0", "2 6/29/3", "0"]);
});
