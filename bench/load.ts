import { Initiator } from "../test/initiator/initiator.ts";
import { parsePortal } from "../test/initiator/url.ts";

/*
 * The load generator, in a process of its own so that its CPU is told from the cluster's. Each line of standard input is a `Job`;
 * it answers with the line "begun" when the measured time begins, and then with one JSON line, the `Measured`.
 */

/** One load on the LUN. */
export interface Job {
  /** `fill` writes the whole working set once and ends then; the others go on for `seconds` after `warmUpSeconds`. */
  readonly kind: "read" | "write" | "fill";
  readonly order: "random" | "sequential";
  readonly bytes: number;
  readonly queueDepth: number;
  readonly workingSetBytes: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}
export interface Measured {
  readonly commands: number;
  readonly seconds: number;
  /** Of each command: null when there was none. */
  readonly latencyUs: { readonly p50: number; readonly p99: number; readonly max: number } | null;
}

export const BENCH_IQN = "iqn.2026-11.io.virtustor:bench";
const SECTOR_BYTES = 512;
/** Above any command's share of a 5 s window at any rate that one process reaches; the latencies of more are not kept. */
const LATENCIES_MAX = 8 * 1024 * 1024;
/** Different content in each command, at no cost: a place in this block of random bytes. */
const CONTENT_BYTES = 8 * 1024 * 1024;

class Load {
  readonly #initiator: Initiator;
  readonly #job: Job;
  readonly #content: Buffer;
  readonly #latencies = new Float32Array(LATENCIES_MAX);
  readonly #places: number;
  #count = 0;
  #next = 0;
  #outstanding = 0;
  #measuring = false;
  #stopped = false;
  #ended: (() => void) | null = null;
  #error: Error | null = null;

  constructor(initiator: Initiator, job: Job, content: Buffer) {
    this.#initiator = initiator;
    this.#job = job;
    this.#content = content;
    this.#places = Math.floor(job.workingSetBytes / job.bytes);
  }

  async run(begun: () => void): Promise<Measured> {
    const { job: { kind, queueDepth, warmUpSeconds, seconds } } = { job: this.#job };
    const ended = new Promise<void>((resolve) => (this.#ended = resolve));
    for (let slot = 0; slot < queueDepth; slot++) this.#issue(Buffer.alloc(kind === "read" ? this.#job.bytes : 0), blockCommand(kind));
    if (kind !== "fill") await Bun.sleep(warmUpSeconds * 1000);
    begun();
    this.#measuring = true;
    const startMs = performance.now();
    if (kind !== "fill") {
      await Promise.race([Bun.sleep(seconds * 1000), ended]);
      this.#stopped = true;
      this.#measuring = false;
    }
    const elapsedMs = performance.now() - startMs;
    await ended;
    if (this.#error !== null) throw this.#error;
    const kept = this.#latencies.subarray(0, Math.min(this.#count, LATENCIES_MAX)).sort();
    const at = (part: number): number => Math.round((kept[Math.min(kept.length - 1, Math.floor(kept.length * part))] ?? 0) * 1000);
    const latencyUs = kept.length === 0 ? null : { p50: at(0.5), p99: at(0.99), max: at(1) };
    return { commands: this.#count, seconds: (kind === "fill" ? performance.now() - startMs : elapsedMs) / 1000, latencyUs };
  }

  /** One place in the queue: the next command begins when the last has ended. */
  #issue(into: Buffer, cdb: Buffer): void {
    const { kind, order, bytes } = this.#job;
    if (this.#stopped || (kind === "fill" && this.#next >= this.#places)) return this.#left();
    const place = order === "random" ? Math.floor(Math.random() * this.#places) : this.#next++ % this.#places;
    cdb.writeUInt32BE((place * bytes) / SECTOR_BYTES, 2);
    cdb.writeUInt16BE(bytes / SECTOR_BYTES, 7);
    const from = Math.floor(Math.random() * ((CONTENT_BYTES - bytes) / SECTOR_BYTES)) * SECTOR_BYTES;
    const transfer = kind === "read" ? { into } : { data: this.#content.subarray(from, from + bytes) };
    const startMs = performance.now();
    this.#outstanding++;
    this.#initiator.command(cdb, transfer).then(
      ({ status }) => {
        this.#outstanding--;
        if (status !== 0) this.#failed(new Error(`a command ended with status 0x${status.toString(16)}`));
        else if (this.#measuring) {
          if (this.#count < LATENCIES_MAX) this.#latencies[this.#count] = performance.now() - startMs;
          this.#count++;
        }
        this.#issue(into, cdb);
      },
      (error: Error) => {
        this.#outstanding--;
        this.#failed(error);
        this.#left();
      },
    );
  }

  #failed(error: Error): void {
    this.#error ??= error;
    this.#stopped = true;
  }

  #left(): void {
    if (this.#outstanding === 0) this.#ended?.();
  }
}

/** READ (10) or WRITE (10), to be filled in. */
function blockCommand(kind: Job["kind"]): Buffer {
  const cdb = Buffer.alloc(10);
  cdb[0] = kind === "read" ? 0x28 : 0x2a;
  return cdb;
}

if (import.meta.main) {
  const [url = "", depth = "32"] = process.argv.slice(2);
  const content = Buffer.from(crypto.getRandomValues(new Uint8Array(65536)));
  const block = Buffer.concat(Array.from({ length: CONTENT_BYTES / content.length }, () => content));
  const initiator = await Initiator.connect(parsePortal(url), { initiatorName: BENCH_IQN, queueDepth: Number(depth) });
  for await (const line of console) {
    const job = JSON.parse(line) as Job;
    const measured = await new Load(initiator, job, block).run(() => process.stdout.write("begun\n"));
    process.stdout.write(`${JSON.stringify(measured)}\n`);
  }
  await initiator.logout();
  process.exit(0);
}
