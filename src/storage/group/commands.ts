import { SECTORS_PER_BLOCK } from "../../base/geometry.ts";
import type { BlockRange } from "../../wire/entry.ts";
import { BY_NOBODY, type Change, type Channel, type CommandResult, type CompareAndWrite, type Read, type Write } from "../../wire/messages.ts";
import type { BlockRead } from "../drive/drive.ts";
import { isUnknown, knownOnly, zeroPieces } from "./lost-blocks.ts";
import { compareAndMerge, mergeWrite, compareIntact, writeIntact } from "./merge.ts";
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

  take(channel: Channel, message: Read | Change): void {
    const volume = message.type === "write" || message.type === "compare-and-write" ? message.key.volume : message.range.volume;
    const known = this.#serving.purged(volume) ? "deleted" : this.#serving.host.volume(volume);
    // R26: who became primary after a ban was confirmed by its predecessors knows of it before it takes anything.
    const ready = this.#serving.open && this.#serving.host.storeSeen() >= this.#serving.term.begunRevision;
    const refusal: CommandResult | null = !ready ? "not-primary" : known === "deleted" ? "deleted" : known === "unknown" ? "unknown-volume" : null;
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
      () => {
        if (!this.#serving.open) return this.#endRead(read, "not-primary");
        // R23: nobody knows what was there.
        if (!knownOnly(this.#serving.term.config, read.message.range, content).ok) return this.#endRead(read, "medium-error");
        this.#endRead(read, "done", content);
      },
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

  /** R1, R16: what is known comes before any look at the age; what is forgotten must not run a second time. */
  #modify(channel: Channel, message: Change): void {
    const { gateway, operation: number } = message;
    const key = `${gateway}.${number}`;
    const running = this.#operations.get(key);
    if (running) return void running.waiting.push({ channel, tag: message.tag });
    const image = this.#serving.replica.image;
    if (image?.operations.get(gateway)?.has(number)) return this.#done(channel, message.tag, "done");
    // The gateway itself has said that it waits for this no more: a duplicate that was on its way for long.
    if (number < (image?.oldestOpen.get(gateway) ?? 0)) return this.#done(channel, message.tag, "late");
    if (!intact(message)) return this.#done(channel, message.tag, "corrupt-frame");
    // R24: what is new cannot be acknowledged for now. What is under way already waits for its members.
    if (this.#serving.leases.loneForLong()) return this.#done(channel, message.tag, "read-only");
    const operation: Operation = { key, waiting: [{ channel, tag: message.tag }] };
    this.#operations.set(key, operation);
    if (message.type === "unmap" && isUnknown(this.#serving.term.config, message.range.volume)) return this.#release(message.range, message, operation);
    if (message.type === "unmap") return this.#admit(message.range, message, operation, () => this.#serving.assign("unmap", message.range, null, null, message, operation));
    const first = Math.floor(message.firstSector / SECTORS_PER_BLOCK);
    const count = Math.ceil((message.firstSector + message.sectorCount) / SECTORS_PER_BLOCK) - first;
    const range: BlockRange = { ...message.key, first, count };
    if (message.type === "compare-and-write") return this.#compareAndWrite(range, message, operation);
    const whole = message.firstSector % SECTORS_PER_BLOCK === 0 && message.sectorCount % SECTORS_PER_BLOCK === 0;
    if (whole) return this.#writeWhole(range, message, operation);
    this.#mergeAndWrite(range, message, operation);
  }

  /** Why a change is not assigned now; asked when nothing is waited for any more. */
  #refusal(range: BlockRange, message: Change): CommandResult | null {
    // R26: what of a banned gateway has waited here is not assigned after its ban was confirmed. Nobody hears the answer.
    if (!this.#serving.open || this.#serving.host.banned(message.gateway)) return "not-primary";
    if (this.#serving.purged(range.volume)) return "deleted";
    // R15: once, after all waiting; I6.
    return this.#serving.late.isLate(range, message, this.#serving.host.clock.nowMs()) ? "late" : null;
  }
  #admit(range: BlockRange, message: Change, operation: Operation, assign: () => void): void {
    this.#serving.ranges.admitWrite(range, () => {
      const refusal = this.#refusal(range, message);
      if (refusal) this.answer(operation, refusal);
      else assign();
    });
  }

  #writeWhole(range: BlockRange, message: Write, operation: Operation): void {
    this.#admit(range, message, operation, () => {
      const allocates = this.#serving.allocation.quick(range);
      if (allocates !== null) return this.#serving.assign("write", range, message.data, message.checksums, message, operation, allocates);
      const again = (): void => this.#writeWhole(range, message, operation);
      if (this.#serving.allocation.unknown) return this.#whenGranted(operation, again);
      this.#serving.ranges.lock(range, (release) => void this.#assignExactly(range, message, message, operation, again).then(release));
    });
  }

  /** R17: near the limit only what is newly allocated counts. The caller holds the range's lock. */
  async #assignExactly(range: BlockRange, { data, checksums }: { readonly data: Buffer; readonly checksums: Uint32Array }, message: Change, operation: Operation, again: () => void): Promise<void> {
    const allocates = this.#serving.allocation.quick(range) ?? (await this.#serving.allocation.exact(range));
    const refusal = this.#refusal(range, message);
    if (refusal) this.answer(operation, refusal);
    else if (allocates === "full") this.answer(operation, "no-space");
    else if (allocates === "wait") this.#whenGranted(operation, again);
    else this.#serving.assign("write", range, data, checksums, message, operation, allocates);
  }
  #whenGranted(operation: Operation, again: () => void): void {
    this.#serving.allocation.whenGranted(() => this.#operations.has(operation.key) && again());
  }

  /** R23: where nothing is known an unmap is remembered as zeros. Only the last piece records the answer: what failed in between is done again. */
  #release(range: BlockRange, message: Change, operation: Operation): void {
    this.#serving.ranges.lock(range, (release) => void this.#writeZeros(range, message, operation).then(release));
  }
  async #writeZeros(range: BlockRange, message: Change, operation: Operation): Promise<void> {
    const pieces = zeroPieces(range);
    for (const [index, { range: piece, data, checksums }] of pieces.entries()) {
      const allocates = this.#serving.allocation.quick(piece) ?? (await this.#serving.allocation.exact(piece));
      const refusal = this.#refusal(range, message);
      if (refusal) return this.answer(operation, refusal);
      if (allocates === "full") return this.answer(operation, "no-space");
      if (allocates === "wait") return this.#whenGranted(operation, () => this.#release(range, message, operation));
      const last = index === pieces.length - 1;
      this.#serving.assign("write", piece, data, checksums, last ? message : BY_NOBODY, last ? operation : null, allocates);
    }
    // R15: pieces in nobody's name count as acknowledged, too, and rather too early than not.
    this.#serving.late.acknowledged(range, this.#serving.host.clock.nowMs());
  }
  /** R25, R23. */
  async #known(at: BlockRange): Promise<BlockRead | null> {
    const read = await this.#serving.repair.read(at);
    return read && knownOnly(this.#serving.term.config, at, read);
  }

  /** Parts of 4 KiB blocks are merged under the range's lock; the entry carries whole blocks. */
  #mergeAndWrite(range: BlockRange, message: Write, operation: Operation): void {
    this.#serving.ranges.lock(range, (release) => {
      void mergeWrite((at) => this.#known(at), range, message).then(async (merged) => {
        const again = (): void => this.#mergeAndWrite(range, message, operation);
        if (merged === "silent") this.#serving.repair.whenAnswered(() => this.#operations.has(operation.key) && again());
        else if (merged === "bad") this.answer(operation, this.#refusal(range, message) ?? "medium-error");
        else await this.#assignExactly(range, merged, message, operation, again);
        release();
      });
    });
  }

  /**
   * SBC-3 5.2: decided here alone, under the range's lock, so that it is atomic over all portals. The lock has waited for every
   * overlapping write: what is compared is on all copies.
   */
  #compareAndWrite(range: BlockRange, message: CompareAndWrite, operation: Operation): void {
    this.#serving.ranges.lock(range, (release) => {
      void compareAndMerge((at) => this.#known(at), range, message).then(async (found) => {
        const again = (): void => this.#compareAndWrite(range, message, operation);
        const refusal = this.#refusal(range, message);
        if (found === "silent") this.#serving.repair.whenAnswered(() => this.#operations.has(operation.key) && again());
        else if (refusal) this.answer(operation, refusal);
        else if (found === "bad") this.answer(operation, "medium-error");
        else if ("offset" in found) this.#miscompare(operation, found.offset);
        else await this.#assignExactly(range, found, message, operation, again);
        release();
      });
    });
  }

  /** What it tells of the content is an answer to a read, and needs the leases of one (R2d). Not recorded: nothing changed (R16). */
  #miscompare(operation: Operation, offset: number): void {
    this.#serving.leases.run(
      () => this.answer(operation, this.#serving.open ? "miscompare" : "not-primary", offset),
      () => this.answer(operation, "not-primary"),
    );
  }

  /** Once: what has been answered already is left alone. */
  answer(operation: Operation | null, result: CommandResult, offset = 0): void {
    if (!operation || this.#operations.get(operation.key) !== operation) return;
    this.#operations.delete(operation.key);
    for (const { channel, tag } of operation.waiting) this.#done(channel, tag, result, offset);
  }
  #done(channel: Channel, tag: number, result: CommandResult, offset = 0): void {
    const more = result === "miscompare" ? { offset } : {};
    this.#serving.host.send(channel, { type: "done", group: this.#serving.group, epoch: this.#serving.term.epoch, tag, result, clock: this.#serving.host.clock.nowMs(), ...more });
  }
  #readDone(channel: Channel, message: Read, result: CommandResult, { checksums, data } = NO_CONTENT): void {
    this.#serving.host.send(channel, { type: "read-done", group: this.#serving.group, epoch: this.#serving.term.epoch, tag: message.tag, result, clock: this.#serving.host.clock.nowMs(), checksums, data });
  }
}

function intact(message: Change): boolean {
  return message.type === "unmap" || (message.type === "write" ? writeIntact(message) : compareIntact(message));
}
