import { SECTOR_BYTES, SECTORS_PER_BLOCK } from "../../src/base/geometry.ts";
import { checkRegister, type Operation } from "./linear.ts";

/** R15 (ii), A1: a command that a gateway received so long ago is not carried out after an acknowledgement of its block. */
const ORDINARY_MS = 250 * 1.02;
/** R15 (i): nor is one that is so old. */
const OLDEST_MS = 4000 * 1.02;

/** Sectors of a volume, counted from its beginning. */
export interface Span {
  readonly volume: number;
  readonly lba: number;
  readonly count: number;
}
interface BlockOperation extends Omit<Operation, "toMs" | "latestMs" | "value"> {
  /** First sector in the block, and the one after the last. */
  readonly first: number;
  readonly end: number;
  toMs: number;
  value: number;
  /** Of a read that saw different values: one for each sector of the block. */
  values: readonly number[] | null;
  miscompared?: boolean;
}
/** A command on its way; what came of it is said once. Nothing said: nobody knows whether it happened. */
export interface Call {
  /** A read gives what it saw, one value for each sector. */
  answered(nowMs: number, values?: readonly number[]): void;
  miscompared(nowMs: number): void;
}

/** I9: everything that hosts asked and were answered, sector by sector. */
export class Registers {
  readonly #blocks = new Map<string, BlockOperation[]>();
  readonly #lastRead = new Map<string, number>();
  #last = 0;
  answeredCount = 0;
  /** Commands that nobody knows the outcome of. */
  openCount = 0;

  /** What a read of the span's first sector saw last; 0 before the first. */
  lastRead({ volume, lba }: Span): number {
    return this.#lastRead.get(`${volume}.${lba}`) ?? 0;
  }
  /** A value that is written nowhere else. */
  newValue(): number {
    return (this.#last += 1);
  }

  begin(kind: Operation["kind"], span: Span, value: number, nowMs: number, label: string, expected?: number): Call {
    const parts: BlockOperation[] = [];
    const lastLba = span.lba + span.count - 1;
    for (let block = Math.floor(span.lba / SECTORS_PER_BLOCK); block <= Math.floor(lastLba / SECTORS_PER_BLOCK); block += 1) {
      const from = block * SECTORS_PER_BLOCK;
      const first = Math.max(span.lba, from) - from;
      const end = Math.min(lastLba - from + 1, SECTORS_PER_BLOCK);
      const part: BlockOperation = { kind, value, values: null, first, end, fromMs: nowMs, toMs: Infinity, label, ...(expected === undefined ? {} : { expected }) };
      parts.push(part);
      // A read counts only when it is answered.
      if (kind !== "read") this.#block(span.volume, block).push(part);
    }
    this.openCount += 1;
    const ended = (atMs: number): void => {
      this.openCount -= 1;
      this.answeredCount += 1;
      for (const part of parts) part.toMs = atMs;
    };
    return {
      answered: (atMs, values) => {
        ended(atMs);
        if (values === undefined) return;
        this.#lastRead.set(`${span.volume}.${span.lba}`, values[0] as number);
        for (const [i, part] of parts.entries()) {
          const block = Math.floor(span.lba / SECTORS_PER_BLOCK) + i;
          const at = block * SECTORS_PER_BLOCK + part.first - span.lba;
          const own = values.slice(at, at + part.end - part.first);
          if (own.every((each) => each === own[0])) part.value = own[0] as number;
          else part.values = [...new Array<number>(part.first).fill(0), ...own];
          this.#block(span.volume, block).push(part);
        }
      },
      miscompared: (atMs) => {
        ended(atMs);
        for (const part of parts) part.miscompared = true;
      },
    };
  }

  /** What is wrong, at most one finding for each block. */
  check(): string[] {
    const found: string[] = [];
    const passed = new Set<string>();
    for (const [name, operations] of this.#blocks) {
      const told = limited(operations);
      for (const sector of distinctSectors(operations)) {
        const own = told.filter(({ first, end }) => first <= sector && sector < end).map((operation) => ({ ...operation, value: operation.values?.[sector] ?? operation.value }));
        // Sectors that were always written and read together have one history.
        const history = own.map(({ kind, value, expected, miscompared, fromMs, toMs, latestMs }) => `${kind} ${value} ${expected} ${miscompared} ${fromMs} ${toMs} ${latestMs}`).join();
        if (passed.has(history)) continue;
        const wrong = checkRegister(own);
        if (wrong === null) {
          passed.add(history);
          continue;
        }
        found.push(`I9: block ${name}, sector ${sector}: ${wrong}`);
        break;
      }
    }
    return found;
  }

  #block(volume: number, block: number): BlockOperation[] {
    const name = `${volume}.${block}`;
    let operations = this.#blocks.get(name);
    if (!operations) this.#blocks.set(name, (operations = []));
    return operations;
  }
}

/** Sectors whose histories may differ: the first of each run that no command and no read tells apart. */
function distinctSectors(operations: readonly BlockOperation[]): number[] {
  const borders = new Set([0]);
  for (const { first, end, values } of operations) {
    borders.add(first).add(end);
    if (values) for (let sector = 0; sector < SECTORS_PER_BLOCK; sector += 1) borders.add(sector);
  }
  borders.delete(SECTORS_PER_BLOCK);
  return [...borders].sort((a, b) => a - b);
}

/**
 * R15, I6: until when a change may have been assigned, which is when it takes effect in the order of the log. What is answered later
 * than that must have been assigned before, too: to be old and yet undo another write that was acknowledged is what R15 forbids.
 * Only an acknowledgement of a command that began after it counts: of another one the primary may have known before, since an answer
 * can be on its way for long.
 */
function limited(operations: readonly BlockOperation[]): readonly (BlockOperation & { readonly latestMs?: number })[] {
  const isAck = ({ kind, toMs, miscompared }: BlockOperation): boolean => kind !== "read" && toMs !== Infinity && !miscompared;
  const acks = operations.filter(isAck).map(({ fromMs, toMs }) => ({ fromMs, firstMs: toMs })).sort((a, b) => a.fromMs - b.fromMs);
  // The first acknowledgement of all that began at or after it.
  for (let i = acks.length - 2; i >= 0; i -= 1) (acks[i] as { firstMs: number }).firstMs = Math.min((acks[i] as { firstMs: number }).firstMs, (acks[i + 1] as { firstMs: number }).firstMs);
  return operations.map((operation) => {
    if (operation.kind === "read" || operation.miscompared) return operation;
    const ackMs = acks.find(({ fromMs }) => fromMs > operation.fromMs)?.firstMs ?? Infinity;
    const latestMs = Math.min(Math.max(ackMs, operation.fromMs + ORDINARY_MS), operation.fromMs + OLDEST_MS);
    return operation.toMs === Infinity ? { ...operation, latestMs } : { ...operation, toMs: Math.min(operation.toMs, latestMs) };
  });
}

/** Bytes that tell what was written, and where. */
export function stamped(value: number, span: Span): Buffer {
  const data = Buffer.alloc(span.count * SECTOR_BYTES, value & 255);
  if (value === 0) return data;
  for (let i = 0; i < span.count; i += 1) {
    data.writeDoubleLE(value, i * SECTOR_BYTES);
    data.writeDoubleLE(span.lba + i, i * SECTOR_BYTES + 8);
  }
  return data;
}

/** What was written to each sector; null when one holds bytes that nobody wrote there (I7). */
export function valuesOf(data: Buffer, span: Span): number[] | null {
  const values: number[] = [];
  for (let i = 0; i < span.count; i += 1) {
    const at = i * SECTOR_BYTES;
    const value = data.readDoubleLE(at);
    const [byte, end] = [data[at + 16] as number, data[at + SECTOR_BYTES - 1] as number];
    if (value === 0 ? byte !== 0 || end !== 0 || data.readDoubleLE(at + 8) !== 0 : byte !== (value & 255) || end !== byte || data.readDoubleLE(at + 8) !== span.lba + i) return null;
    values.push(value);
  }
  return values;
}
