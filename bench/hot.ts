import { bench, do_not_optimize, group, run } from "mitata";
import type { DriveId, Epoch, ExtentIndex, GroupId, Instance, VolumeId } from "../src/base/ids.ts";
import { Framer } from "../src/iscsi/framer.ts";
import { AT_EXPECTED_BYTES, AT_TASK_TAG, FINAL, HEADER_BYTES, SCSI_COMMAND } from "../src/iscsi/pdu.ts";
import { blockChecksum } from "../src/platform/checksum.ts";
import type { Socket, SocketEvents } from "../src/platform/platform.ts";
import { encodeRecord, measureRecord } from "../src/storage/drive/record-codec.ts";
import type { JournalRecord } from "../src/storage/drive/records.ts";
import { RangeTable } from "../src/storage/group/ranges.ts";
import { FramedSocket } from "../src/wire/channel.ts";
import type { BlockRange, EntryHeader } from "../src/wire/entry.ts";
import type { Message, Peer } from "../src/wire/messages.ts";

/* Hot functions alone, in nanoseconds. What a command costs as a whole is `npm run bench`'s to say. */

const BLOCK_BYTES = 4096;
const data = Buffer.from(crypto.getRandomValues(new Uint8Array(BLOCK_BYTES)));
const checksums = new Uint32Array([blockChecksum(data, 7, 42)]);
const range: BlockRange = { volume: 7 as VolumeId, lineage: 7 as VolumeId, layer: 0, extent: 3 as ExtentIndex, first: 42, count: 1 };
const entry: EntryHeader = { ...range, epoch: 5 as Epoch, seq: 1001, previous: { epoch: 5 as Epoch, seq: 1000 }, kind: "write", result: 0, gateway: 99 as Instance, operation: 12345, oldestOpen: 12300 };
const common = { group: 65537 as GroupId, epoch: 5 as Epoch, tag: 77 };
const { first, count, ...key } = range;

const MESSAGES: Record<string, Message> = {
  read: { ...common, type: "read", range },
  "read-done of 4 KiB": { ...common, type: "read-done", result: "done", clock: 123456.789, checksums, data },
  "write of 4 KiB": { ...common, type: "write", key, firstSector: first * 8, sectorCount: count * 8, gateway: 99 as Instance, operation: 12345, oldestOpen: 12300, stampInstance: 4 as Instance, stampMs: 123456.789, checksums, data },
  "replicate of 4 KiB": { ...common, type: "replicate", entry, committed: entry.previous, allocates: 7, checksums, data },
  replicated: { ...common, type: "replicated", through: entry, credits: { limit: 123456, settled: 0 } },
  done: { ...common, type: "done", result: "done", clock: 123456.789 },
};

/** A socket that keeps the last bytes written. */
class Sink implements Socket {
  readonly remote = "bench";
  readonly local = "bench";
  readonly queuedBytes = 0;
  written: Uint8Array[] = [];
  write(bytes: Uint8Array): boolean {
    this.written.push(bytes);
    return true;
  }
  attach(_events: SocketEvents): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

const peer: Peer = { kind: "drive", id: "00000000000000aa" as DriveId, instance: 4 as Instance };

function channel(sink: Sink, message: (message: Message) => void): FramedSocket {
  const framed = new FramedSocket(sink, 4, () => undefined, () => undefined);
  framed.open(peer, { message, closed: () => undefined });
  return framed;
}

/** Messages of one turn, as at queue depth 8. */
const TURN = 8;

group(`send ${TURN} messages of one turn`, () => {
  for (const [name, message] of Object.entries(MESSAGES)) {
    const sink = new Sink();
    const framed = channel(sink, () => undefined);
    bench(name, async () => {
      for (let i = 0; i < TURN; i++) framed.send(message);
      await Promise.resolve();
      sink.written.length = 0;
    });
  }
});

const chunks: [string, Buffer][] = [];
for (const [name, message] of Object.entries(MESSAGES)) {
  const sink = new Sink();
  const sender = channel(sink, () => undefined);
  for (let i = 0; i < TURN; i++) sender.send(message);
  await Promise.resolve();
  chunks.push([name, Buffer.concat(sink.written)]);
}
group(`receive ${TURN} messages in one chunk`, () => {
  for (const [name, chunk] of chunks) {
    let received = 0;
    const receiver = channel(new Sink(), () => received++);
    bench(name, () => {
      receiver.socketEvents.data(chunk);
      do_not_optimize(received);
    });
  }
});

group("storage", () => {
  bench("blockChecksum of 4 KiB", () => do_not_optimize(blockChecksum(data, 7, 42)));
  const record: JournalRecord = { type: "entry", group: common.group, entry, checksums, data, skip: null };
  const batch = Buffer.alloc(16 * 1024);
  bench("journal record of a 4 KiB write", () => encodeRecord(batch, 48, record, measureRecord(record)));
  const table = new RangeTable();
  const nothing = (): void => undefined;
  bench("RangeTable: a write from admission to end", () => {
    table.admitWrite(range, nothing);
    table.startWrite(range);
    table.endWrite(range);
  });
  bench("RangeTable: a read", () => table.read(range, (reader) => table.endRead(reader)));
});

group("iSCSI", () => {
  const pdu = Buffer.alloc(HEADER_BYTES + BLOCK_BYTES);
  pdu[0] = SCSI_COMMAND;
  pdu[1] = FINAL | 0x20;
  pdu.writeUIntBE(BLOCK_BYTES, 5, 3);
  pdu.writeUInt32BE(9, AT_TASK_TAG);
  pdu.writeUInt32BE(BLOCK_BYTES, AT_EXPECTED_BYTES);
  const chunk = Buffer.concat(Array.from({ length: TURN }, () => pdu));
  let received = 0;
  const framer = new Framer({ place: () => null, pdu: () => received++ }, 262144);
  const going = (): boolean => false;
  bench(`${TURN} write commands of 4 KiB in one chunk`, () => {
    framer.receive(chunk, going);
    do_not_optimize(received);
  });
});

await run({ colors: process.stdout.isTTY === true });
