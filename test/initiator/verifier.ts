import { BLOCK_BYTES, fillBlock, recognize, SECTORS_PER_BLOCK } from "./content.ts";
import { ConnectionLost } from "./connection.ts";
import { BUSY, type Initiator, ScsiError, TASK_ABORTED, TASK_SET_FULL, UNIT_ATTENTION, type InitiatorOptions } from "./initiator.ts";
import { Ledger } from "./ledger.ts";
import { Paths } from "./paths.ts";

export interface VerifierOptions extends InitiatorOptions {
  /** All portals of the LUN. */
  readonly urls: readonly string[];
  /** Through how many of them it writes at once. Default: all. */
  readonly paths?: number;
  /** Commands under way on each path. Default 8. */
  readonly depth?: number;
  /** It works on the first so many blocks of 4 KiB. */
  readonly blocks: number;
  /** Bounds its own use of a processor that the cluster needs too. Default 600. */
  readonly commandsPerSecondMax?: number;
  readonly seed?: number;
  /** Every command is of one block: a small-random load. Default: some are longer. */
  readonly singleBlocks?: boolean;
}

/** What happened between two looks. */
export interface Interval {
  /** Commands that were acknowledged. */
  readonly acknowledged: number;
  /** The longest time in which no write at all was acknowledged. */
  readonly longestGapMs: number;
  /** The longest that one write took, with all its retries: what an application would have waited. */
  readonly longestWriteMs: number;
}

/** How long one command is retried, on all portals, before it counts as failed. */
const GIVE_UP_MS = 60_000;
/**
 * From the loss of a path to the command's next attempt. A host's multipath takes longer, and the target counts on it: it tells a late
 * command from a concurrent one by an age of 250 ms.
 */
const AFTER_LOSS_MS = 300;
const AFTER_BUSY_MS = 50;
/** Complaints kept: more say nothing new. */
const COMPLAINTS_MAX = 20;
/** Of each hundred commands. */
const READS_PERCENT = 20;
const VERIFY_RUN_BLOCKS = 64;
const VERIFY_DEPTH = 8;

/**
 * Writes and reads random blocks through several portals at once and knows what each block must hold. Of each block one command is
 * under way at a time, and a write is retried until it is acknowledged, so that every outcome can be decided.
 */
export class Verifier {
  ledger: Ledger;
  readonly #options: VerifierOptions;
  readonly #seed: number;
  readonly #paths: readonly Paths[];
  readonly #busy = new Set<number>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #slots: Promise<void>[] = [];
  readonly #bornMs = performance.now();
  #stopping = false;
  #nextTurnMs = 0;
  #random: number;

  /** Reads that showed something wrong and commands that failed for good: must be empty. */
  readonly complaints: string[] = [];
  /** Why commands were retried, and how often. */
  readonly retries = new Map<string, number>();
  #acknowledged = 0;
  #longestGapMs = 0;
  #longestWriteMs = 0;
  #lastAcknowledgedMs = 0;

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
    this.#random = this.#seed | 1;
    this.ledger = new Ledger(options.blocks);
    this.#paths = Array.from({ length: options.paths ?? options.urls.length }, (_, index) => {
      const first = index % options.urls.length;
      return new Paths([...options.urls.slice(first), ...options.urls.slice(0, first)], { ...options, queueDepth: options.depth ?? 8 });
    });
  }

  /** Another client that goes on where this one, stopped, has ended. */
  successor(urls: readonly string[] = this.#options.urls): Verifier {
    const next = new Verifier({ ...this.#options, urls, seed: this.#seed });
    next.ledger = this.ledger;
    return next;
  }

  /** All portals of the LUN. */
  get urls(): readonly string[] {
    return this.#options.urls;
  }

  /** At random one of the blocks that were written. */
  someWrittenBlock(): number {
    for (;;) {
      const block = this.#below(this.ledger.blocks);
      if (this.ledger.wasIssued(block)) return block;
    }
  }

  /** Complains when `data`, which somebody else has read, is not what `block` may hold. */
  expectNotOld(data: Buffer, block: number): void {
    this.#check(data, block, 1, "read by another");
  }

  start(): void {
    this.#lastAcknowledgedMs = performance.now();
    for (const paths of this.#paths) {
      for (let slot = 0; slot < (this.#options.depth ?? 8); slot++) this.#slots.push(this.#work(paths));
    }
  }

  /** Ends the load: every command under way comes to its end, retried if need be. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#slots);
    await Promise.all(this.#paths.map((paths) => paths.stop()));
  }

  /** Resolves when so many more commands were acknowledged. */
  async progress(commands: number): Promise<void> {
    const goal = this.ledger.acknowledgedCount + commands;
    const deadlineMs = performance.now() + GIVE_UP_MS;
    while (this.ledger.acknowledgedCount < goal) {
      if (performance.now() > deadlineMs) throw new Error(`not ${commands} writes in ${GIVE_UP_MS / 1000} s; ${this.summary()}`);
      await Bun.sleep(20);
    }
  }

  /** Resolves when every command that is under way now has been answered. */
  async allAnswered(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** What happened since the last call. */
  interval(): Interval {
    const nowMs = performance.now();
    const longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastAcknowledgedMs);
    const interval = { acknowledged: this.#acknowledged, longestGapMs: Math.round(longestGapMs), longestWriteMs: Math.round(this.#longestWriteMs) };
    this.#acknowledged = 0;
    this.#longestGapMs = 0;
    this.#longestWriteMs = 0;
    return interval;
  }

  /** Every path back to its own portal, as a host's multipath does when it is there again. */
  failBack(): void {
    for (const paths of this.#paths) paths.failBack();
  }

  summary(): string {
    const retries = [...this.retries].map(([reason, count]) => `${count} x ${reason}`).join(", ");
    return `${this.ledger.acknowledgedCount} blocks acknowledged, retries: ${retries || "none"}`;
  }

  /** Reads every block that was ever written through the portal at `url`, and complains of what it should not hold. Returns how many. */
  async verify(url: string): Promise<number> {
    const path = new Paths([url], { ...this.#options, queueDepth: VERIFY_DEPTH });
    const runs = this.#writtenRuns();
    let next = 0;
    const work = async (): Promise<void> => {
      for (let run = runs[next++]; run !== undefined; run = runs[next++]) {
        const { first, count } = run;
        const data = await this.#persist(`verifying read at block ${first}`, (deadlineMs) => path.session(deadlineMs), (session) => session.read(first * SECTORS_PER_BLOCK, count * SECTORS_PER_BLOCK));
        if (data !== null) this.#check(data, first, count, url);
      }
    };
    await Promise.all(Array.from({ length: VERIFY_DEPTH }, work));
    await path.stop();
    return runs.reduce((sum, { count }) => sum + count, 0);
  }

  #writtenRuns(): { first: number; count: number }[] {
    const runs: { first: number; count: number }[] = [];
    for (let block = 0; block < this.ledger.blocks; block++) {
      if (!this.ledger.wasIssued(block)) continue;
      const last = runs.at(-1);
      if (last !== undefined && last.first + last.count === block && last.count < VERIFY_RUN_BLOCKS) last.count++;
      else runs.push({ first: block, count: 1 });
    }
    return runs;
  }

  async #work(paths: Paths): Promise<void> {
    while (!this.#stopping) {
      await this.#turn();
      const run = this.#pick();
      if (run === null) continue;
      const blocks = Array.from({ length: run.count }, (_, index) => run.first + index);
      for (const block of blocks) this.#busy.add(block);
      const command = this.#below(100) < READS_PERCENT ? this.#read(paths, run.first, run.count) : this.#write(paths, run.first, blocks);
      this.#underWay.add(command);
      await command;
      this.#underWay.delete(command);
      for (const block of blocks) this.#busy.delete(block);
    }
  }

  /** Spreads the commands of all slots evenly over time. */
  async #turn(): Promise<void> {
    const nowMs = performance.now();
    const turnMs = Math.max(this.#nextTurnMs, nowMs);
    this.#nextTurnMs = turnMs + 1000 / (this.#options.commandsPerSecondMax ?? 600);
    if (turnMs > nowMs) await Bun.sleep(turnMs - nowMs);
  }

  /** Mostly single blocks, some short runs, few long ones that need R2Ts; runs may cross the edges of extents. */
  #pick(): { first: number; count: number } | null {
    const dice = this.#below(100);
    const count = dice < 80 || this.#options.singleBlocks === true ? 1 : dice < 98 ? 2 + this.#below(15) : 128;
    const first = this.#below(Math.max(1, this.ledger.blocks - count));
    for (let block = first; block < first + count; block++) if (this.#busy.has(block)) return null;
    return first + count <= this.ledger.blocks ? { first, count } : null;
  }

  async #write(paths: Paths, first: number, blocks: readonly number[]): Promise<void> {
    const data = Buffer.alloc(blocks.length * BLOCK_BYTES);
    const versions = blocks.map((block) => this.ledger.issue(block));
    for (const [index, block] of blocks.entries()) fillBlock(data, index * BLOCK_BYTES, this.#seed, block, versions[index] ?? 0);
    const begunMs = performance.now();
    const what = `write of ${blocks.length} blocks at block ${first}`;
    const done = await this.#persist(what, (deadlineMs) => paths.session(deadlineMs), (session) => session.write(first * SECTORS_PER_BLOCK, data).then(() => true));
    if (done === null) return;
    const nowMs = performance.now();
    for (const [index, block] of blocks.entries()) this.ledger.acknowledge(block, versions[index] ?? 0);
    this.#acknowledged++;
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastAcknowledgedMs);
    this.#longestWriteMs = Math.max(this.#longestWriteMs, nowMs - begunMs);
    this.#lastAcknowledgedMs = nowMs;
  }

  async #read(paths: Paths, first: number, count: number): Promise<void> {
    const data = await this.#persist(`read of ${count} blocks at block ${first}`, (deadlineMs) => paths.session(deadlineMs), (session) => session.read(first * SECTORS_PER_BLOCK, count * SECTORS_PER_BLOCK));
    if (data !== null) this.#check(data, first, count, "under load");
  }

  #check(data: Buffer, first: number, count: number, where: string): void {
    if (data.length !== count * BLOCK_BYTES) return this.#complain(`read of ${count} blocks at block ${first} gave ${data.length} bytes`);
    for (let index = 0; index < count; index++) {
      const complaint = this.ledger.judge(first + index, recognize(data, index * BLOCK_BYTES, this.#seed, first + index));
      if (complaint !== null) this.#complain(`${where}: ${complaint}`);
    }
  }

  /** Tries until it succeeds; null, with a complaint, when it fails for good. */
  async #persist<T>(what: string, session: (deadlineMs: number) => Promise<Initiator>, attempt: (initiator: Initiator) => Promise<T>): Promise<T | null> {
    const deadlineMs = performance.now() + GIVE_UP_MS;
    for (;;) {
      let where = "nowhere";
      try {
        const initiator = await session(deadlineMs);
        where = initiator.portal.address;
        return await attempt(initiator);
      } catch (error) {
        const reason = retryReason(error);
        if (reason === null || performance.now() > deadlineMs) {
          this.#complain(`${what} through ${where} failed: ${(error as Error).message}`);
          return null;
        }
        this.retries.set(reason, (this.retries.get(reason) ?? 0) + 1);
        await Bun.sleep(error instanceof ConnectionLost ? AFTER_LOSS_MS : AFTER_BUSY_MS);
      }
    }
  }

  #complain(complaint: string): void {
    if (this.complaints.length < COMPLAINTS_MAX) this.complaints.push(`${Math.round(performance.now() - this.#bornMs)} ms after the start, ${complaint}`);
  }

  #below(limit: number): number {
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    return (this.#random >>> 0) % limit;
  }
}

/** What any host retries without telling its applications; null for an I/O error. */
function retryReason(error: unknown): string | null {
  if (error instanceof ConnectionLost) return "connection lost";
  if (!(error instanceof ScsiError)) return null;
  if (error.sense?.key === UNIT_ATTENTION) return "unit attention";
  if (error.status === BUSY) return "busy";
  if (error.status === TASK_SET_FULL) return "task set full";
  return error.status === TASK_ABORTED ? "task aborted" : null;
}
