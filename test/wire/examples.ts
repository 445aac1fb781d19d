import { BLOCK_BYTES } from "../../src/base/geometry.ts";
import type { DriveId, Epoch, ExtentIndex, GroupId, Instance, VolumeId } from "../../src/base/ids.ts";
import type { BlockRange, EntryHeader, EntryId, ExtentKey } from "../../src/wire/entry.ts";
import type { Hello } from "../../src/wire/hello.ts";
import type { Message } from "../../src/wire/messages.ts";

const common = { group: 0x100011 as GroupId, epoch: 7 as Epoch, tag: 0x01020304 };
const id = (epoch: number, seq: number): EntryId => ({ epoch: epoch as Epoch, seq });
const key: ExtentKey = { volume: 0x1_0000_0002 as VolumeId, lineage: 0x1_0000_0001 as VolumeId, layer: 3, extent: 65537 as ExtentIndex };
const range: BlockRange = { ...key, first: 5, count: 2 };
const entry = (kind: EntryHeader["kind"], seq: number): EntryHeader => ({
  ...id(6, seq), previous: id(5, seq - 1), kind, ...range, gateway: 0xabcdef012345 as Instance, operation: 99, oldestOpen: 98, result: 0,
});
const config = {
  incarnation: 1, epoch: 7 as Epoch, primary: "00000000000000a1" as DriveId, primaryInstance: 4 as Instance,
  members: ["00000000000000a1", "00000000000000b2"] as DriveId[], learners: ["00000000000000c3"] as DriveId[], nonce: 123456789,
};
const checksums = Uint32Array.of(0x11223344, 0xfffffffe);
const data = Buffer.alloc(2 * BLOCK_BYTES, 0x5a);
const modifying = { gateway: 0xabcdef012345 as Instance, operation: 99, oldestOpen: 98, stampInstance: 4 as Instance, stampMs: 1234.5 };

/** One of each message. */
export const EXAMPLES: { readonly [T in Message["type"]]: Extract<Message, { type: T }> } = {
  fence: { ...common, type: "fence", config, dead: [{ id: "00000000000000d4", instance: 9 as Instance }] },
  tail: { ...common, type: "tail", damaged: false, incomplete: true, completeThrough: id(5, 1), committed: id(5, 2), base: id(4, 9), last: id(6, 13), entries: [entry("write", 12), entry("unmap", 13)], diverged: [entry("no-op", 11)], reconciling: [range] },
  mark: { ...common, type: "mark", ranges: [range], common: id(5, 11), adopted: [id(5, 12)] },
  adopt: { ...common, type: "adopt", common: id(5, 11), entries: [entry("purge", 12)] },
  settled: { ...common, type: "settled" },
  fetch: { ...common, type: "fetch", range, content: true },
  fetched: { ...common, type: "fetched", content: true, badBlocks: [], range, version: id(6, 12), checksums, data },
  replicate: { ...common, type: "replicate", entry: entry("write", 14), committed: id(6, 13), allocates: 8, checksums, data },
  replicated: { ...common, type: "replicated", through: id(6, 14), credits: { limit: 1_000_000, settled: 999 } },
  gap: { ...common, type: "gap", through: id(6, 10) },
  "catch-up": { ...common, type: "catch-up", common: id(5, 11), base: id(4, 9), entries: [entry("snapshot", 12)], dirty: [range] },
  manifest: { ...common, type: "manifest", after: null, through: key, extents: [{ key, version: id(6, 12), digest: 0x1122334455667788n }] },
  differs: { ...common, type: "differs", extents: [{ key, held: null }, { key: { ...key, extent: 9 as ExtentIndex }, held: BigUint64Array.from({ length: 1024 }, (_, i) => BigInt(i)) }] },
  copy: { ...common, type: "copy", allocates: 9, lost: false, range, version: null, checksums: Uint32Array.of(0, 0), data: Buffer.alloc(0), clean: { first: 16, count: 32 } },
  "caught-up": { ...common, type: "caught-up", through: id(6, 14), operations: [{ gateway: 0xabcdef012345 as Instance, operation: 99, result: 0 }], purged: [0x1_0000_0009 as VolumeId] },
  "stale-epoch": { ...common, type: "stale-epoch", config },
  beacon: { ...common, type: "beacon", number: 77, groups: [{ group: common.group, epoch: common.epoch, committed: id(6, 13) }] },
  "beacon-ok": { ...common, type: "beacon-ok", number: 77, credits: { limit: 5, settled: 3 }, groups: [{ group: common.group, epoch: common.epoch }] },
  inspect: { ...common, type: "inspect", from: key, through: null },
  inspected: { ...common, type: "inspected", extents: [{ key, version: id(6, 12), digest: 0x1122334455667788n, known: true }] },
  park: { ...common, type: "park", range, why: "copies differ" },
  read: { ...common, type: "read", range },
  "read-done": { ...common, type: "read-done", result: "done", clock: 5678.25, checksums, data },
  write: { ...common, type: "write", key, firstSector: 43, sectorCount: 6, ...modifying, checksums, data: Buffer.alloc(6 * 512, 0xa5) },
  "compare-and-write": { ...common, type: "compare-and-write", key, firstSector: 43, sectorCount: 1, ...modifying, checksums, data: Buffer.concat([Buffer.alloc(512, 0x11), Buffer.alloc(512, 0xa5)]) },
  clock: { ...common, type: "clock", clock: 5678.25 },
  unmap: { ...common, type: "unmap", range, ...modifying },
  done: { ...common, type: "done", result: "no-space", clock: 5678.25 },
};

export const HELLO: Hello = {
  version: 1, clusterId: "0123456789abcdef0123456789abcdef", incarnation: 1, peer: { kind: "gateway", id: "4711", instance: 4711 as Instance },
  connection: 3, driveId: "00000000000000a1", nonce: Buffer.from("000102030405060708090a0b0c0d0e0f", "hex"),
};
