import { SECTORS_PER_BLOCK } from "../../base/geometry.ts";
import type { BlockRange } from "../../wire/entry.ts";
import type { Channel, CommandResult, Read, Unmap, Write } from "../../wire/messages.ts";
import type { BlockRead } from "../drive/drive.ts";
import { mergeWrite, writeIntact } from "./merge.ts";
import type { Serving } from "./serving.ts";

/** R16: one operation of a gateway and everybody who waits for its answer. */
export interface Operation {
  readonly key: string;
  readonly waiting: { channel: Channel; tag: number }[];
}
interface OpenRead {
  readonly channel: Channel;
  readonly message: Read;
  repairs: number;
}
/** A read that finds bad blocks again after so many repairs meets a drive that does not keep what is written. */
const REPAIRS_MAX = 3;
const NO_CONTENT: { checksums: Uint32Array; data: Buffer } = { checksums: new Uint32Array(0), data: Buffer.alloc(0) };

/** What gateways ask of a primary: reads under leases (R2), modifying commands once each (R16). */
export class Commands {
  readonly #serving: Serving;
  readonly #operations = new Map<string, Operation>();
  readonly #reads = new Set<OpenRead>();
  constructor(serving: Serving) {
    this.#serving = serving;
  }

  /** Everything held is answered: this drive is no longer primary. */
  end(): void {
    for (const operation of [...this.#operations.values()]) this.answer(operation, "not-primary");
    for (const read of [...this.#reads]) this.#endRead(read, "not-primary");
  }

  take(channel: Channel, message: Read | Write | Unmap): void {
    const volume = message.type === "write" ? message.key.volume : message.range.volume;
    const known = this.#serving.purged(volume) ? "deleted" : this.#serving.host.volume(volume);
    const refusal: CommandResult | null = !this.#serving.open ? "not-primary" : known === "deleted" ? "deleted" : known === "unknown" ? "unknown-volume" : null;
    if (message.type === "read") return refusal ? this.#readDone(channel, message, refusal) : this.#read({ channel, message, repairs: 0 });
    if (refusal) return this.#done(channel, message.tag, refusal);
    this.#modify(channel, message);
  }

  /** R2: when a write has overtaken the read, it is done again under the range's lock, so that it cannot starve. */
  #read(read: OpenRead): void {
    const { message } = read;
    this.#reads.add(read);
    this.#serving.ranges.read(message.range, (reader) => {
      void this.#serving.host.drive.read(message.range).then((content) => {
        this.#serving.ranges.endRead(reader);
        if (!reader.overtaken) return this.#answerRead(read, content);
        this.#serving.ranges.lock(message.range, (release) => {
          void this.#serving.host.drive.read(message.range).then((again) => {
            this.#answerRead(read, again);
            release();
          });
        });
      });
    });
  }

  #answerRead(read: OpenRead, content: BlockRead): void {
    if (!this.#serving.open) return this.#endRead(read, "not-primary");
    if (!content.ok) return this.#repair(read, content.badBlocks);
    // R2d: the clock is read when the data is in hand, and nothing is awaited between the check and the reply.
    this.#serving.leases.run(
      () => (this.#serving.open ? this.#endRead(read, "done", content) : this.#endRead(read, "not-primary")),
      () => this.#endRead(read, "not-primary"),
    );
  }

  /** R25: the read waits until its bad blocks are written anew from another copy, and begins again. */
  #repair(read: OpenRead, badBlocks: readonly number[]): void {
    const first = badBlocks[0] as number;
    if (read.repairs >= REPAIRS_MAX) return this.#endRead(read, "medium-error");
    this.#serving.repair.mend({ ...read.message.range, first, count: (badBlocks.at(-1) as number) + 1 - first }, (outcome) => {
      if (!this.#reads.has(read)) return;
      if (outcome === "mended") read.repairs += 1;
      if (outcome === "lost") this.#endRead(read, "medium-error");
      else if (this.#serving.open) this.#read(read);
      else this.#endRead(read, "not-primary");
    });
  }

  #endRead(read: OpenRead, result: CommandResult, content = NO_CONTENT): void {
    if (this.#reads.delete(read)) this.#readDone(read.channel, read.message, result, content);
  }

  #modify(channel: Channel, message: Write | Unmap): void {
    const key = `${message.gateway}.${message.operation}`;
    const running = this.#operations.get(key);
    if (running) return void running.waiting.push({ channel, tag: message.tag });
    if (this.#serving.replica.image?.operations.get(message.gateway)?.has(message.operation)) return this.#done(channel, message.tag, "done");
    if (message.type === "write" && !writeIntact(message)) return this.#done(channel, message.tag, "corrupt-frame");
    const operation: Operation = { key, waiting: [{ channel, tag: message.tag }] };
    this.#operations.set(key, operation);
    if (message.type === "unmap") return this.#admit(message.range, operation, (range) => this.#serving.assign("unmap", range, null, null, message, operation));
    const first = Math.floor(message.firstSector / SECTORS_PER_BLOCK);
    const range: BlockRange = { ...message.key, first, count: message.checksums.length };
    const whole = message.firstSector % SECTORS_PER_BLOCK === 0 && message.sectorCount % SECTORS_PER_BLOCK === 0;
    if (whole) return this.#admit(range, operation, (at) => this.#serving.assign("write", at, message.data, message.checksums, message, operation));
    this.#mergeAndWrite(range, message, operation);
  }

  #admit(range: BlockRange, operation: Operation, assign: (range: BlockRange) => void): void {
    this.#serving.ranges.admitWrite(range, () => {
      if (!this.#serving.open) return this.answer(operation, "not-primary");
      if (this.#serving.purged(range.volume)) return this.answer(operation, "deleted");
      assign(range);
    });
  }

  /** Parts of 4 KiB blocks are merged under the range's lock; the entry carries whole blocks. */
  #mergeAndWrite(range: BlockRange, message: Write, operation: Operation): void {
    this.#serving.ranges.lock(range, (release) => {
      void mergeWrite((at) => this.#serving.repair.read(at), range, message).then((merged) => {
        if (merged === "silent") this.#serving.repair.whenAnswered(() => this.#operations.has(operation.key) && this.#mergeAndWrite(range, message, operation));
        else if (!this.#serving.open) this.answer(operation, "not-primary");
        else if (this.#serving.purged(range.volume)) this.answer(operation, "deleted");
        else if (merged === "bad") this.answer(operation, "medium-error");
        else this.#serving.assign("write", range, merged.data, merged.checksums, message, operation);
        release();
      });
    });
  }

  answer(operation: Operation | null, result: CommandResult): void {
    if (!operation) return;
    this.#operations.delete(operation.key);
    for (const { channel, tag } of operation.waiting) this.#done(channel, tag, result);
  }
  #done(channel: Channel, tag: number, result: CommandResult): void {
    this.#serving.host.send(channel, { type: "done", group: this.#serving.group, epoch: this.#serving.term.epoch, tag, result, clock: this.#serving.host.clock.nowMs() });
  }
  #readDone(channel: Channel, message: Read, result: CommandResult, { checksums, data } = NO_CONTENT): void {
    this.#serving.host.send(channel, { type: "read-done", group: this.#serving.group, epoch: this.#serving.term.epoch, tag: message.tag, result, clock: this.#serving.host.clock.nowMs(), checksums, data });
  }
}
