import { cpus } from "node:os";
import { appendBatch, currentCode, nextSeed, readLedger, showFaults, type Batch } from "./ledger.ts";
import { SHAPES, shapeName, type Shape } from "./shapes.ts";

/** Seeds of one shape that one line of the ledger stands for. */
const BATCH_SEEDS = 20;
const PROGRESS_MS = 10_000;
/** A worker begins anew after so many batches: whatever a story leaves in memory goes with its process. */
const WORKER_BATCHES_MAX = 10;

export interface Task {
  readonly shape: Shape;
  readonly firstSeed: number;
  readonly seeds: number;
  readonly minutes: number;
}
/** What a worker tells of each seed. */
export interface Told {
  readonly seed: number;
  readonly failures: readonly string[];
  readonly operations: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly simulatedSeconds: number;
}
export interface ExploreOptions {
  readonly forMs: number;
  readonly minutes: number;
  readonly shapes: readonly Shape[];
  readonly workers?: number;
}

interface Running {
  readonly task: Task;
  readonly told: Told[];
}

/** Fresh seeds on all cores until the time is up, somebody interrupts, or one fails. The exit code. */
export async function explore(options: ExploreOptions): Promise<number> {
  const code = currentCode();
  if (code.dirty) console.log("the working tree has changes: what is told now goes into the ledger marked so, and is not counted");
  const startedMs = performance.now();
  const running = new Set<Running>();
  const faults: Record<string, number> = {};
  let seed = nextSeed(readLedger());
  let batchNumber = Math.floor(seed / BATCH_SEEDS);
  let seeds = 0;
  let operations = 0;
  let failure: { told: Told; shape: Shape } | null = null;
  let ending = false;
  const workers = new Set<{ kill(): void }>();

  const nextTask = (): Task => {
    const task = { shape: options.shapes[batchNumber % options.shapes.length] ?? (SHAPES[0] as Shape), firstSeed: seed, seeds: BATCH_SEEDS, minutes: options.minutes };
    seed += BATCH_SEEDS;
    batchNumber += 1;
    return task;
  };
  const record = ({ task, told }: Running): void => {
    if (told.length === 0) return;
    appendBatch(batchOf(code, task, told));
    told.length = 0;
  };
  const end = (): void => {
    ending = true;
    for (const worker of workers) worker.kill();
    for (const batch of running) record(batch);
    running.clear();
  };
  const progress = (): void => {
    const minutes = (performance.now() - startedMs) / 60_000;
    console.log(`${minutes.toFixed(1)} min: ${seeds} seeds (${(seeds / minutes).toFixed(0)} a minute), ${operations} operations checked; ${showFaults(faults)}`);
  };

  const work = async (): Promise<void> => {
    while (!ending) {
      for (let batches = 0; batches < WORKER_BATCHES_MAX && !ending; batches += 1) await one();
    }
  };
  let spare: Worker[] = [];
  const one = async (): Promise<void> => {
    const worker = spare.pop() ?? new Worker();
    workers.add(worker);
    const batch: Running = { task: nextTask(), told: [] };
    running.add(batch);
    const whole = await worker.tell(batch.task, (told) => {
      if (ending) return;
      batch.told.push(told);
      seeds += 1;
      operations += told.operations;
      for (const [kind, count] of Object.entries(told.faults)) faults[kind] = (faults[kind] ?? 0) + count;
      if (told.failures.length === 0) return;
      failure ??= { told, shape: batch.task.shape };
      end();
    });
    if (ending) return;
    running.delete(batch);
    record(batch);
    if (!whole) {
      const seedNow = batch.task.firstSeed + batch.told.length;
      failure ??= { told: { seed: seedNow, failures: [`the worker ended while it told seed ${seedNow} or one soon after`], operations: 0, faults: {}, simulatedSeconds: 0 }, shape: batch.task.shape };
      return end();
    }
    worker.batches += 1;
    if (worker.batches < WORKER_BATCHES_MAX) spare.push(worker);
    else worker.kill();
    if (performance.now() - startedMs >= options.forMs) end();
  };

  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  const timer = setInterval(progress, PROGRESS_MS);
  const deadline = setTimeout(end, Math.min(options.forMs, 2 ** 31 - 1));
  await Promise.all(Array.from({ length: options.workers ?? cpus().length }, work));
  clearInterval(timer);
  clearTimeout(deadline);
  spare = [];
  progress();
  const failed = failure as { told: Told; shape: Shape } | null;
  if (!failed) return 0;
  console.log(`FAILED seed ${failed.told.seed}, shape ${shapeName(failed.shape)} (servers x copies):\n${failed.told.failures.join("\n")}`);
  console.log(`again: npm run simulate -- --seed ${failed.told.seed} --servers ${failed.shape.servers} --copies ${failed.shape.copies} --minutes ${options.minutes} --trace`);
  return 1;
}

function batchOf(code: ReturnType<typeof currentCode>, task: Task, told: readonly Told[]): Batch {
  const faults: Record<string, number> = {};
  for (const one of told) for (const [kind, count] of Object.entries(one.faults)) faults[kind] = (faults[kind] ?? 0) + count;
  return {
    ...code,
    shape: shapeName(task.shape),
    firstSeed: task.firstSeed,
    lastSeed: (told.at(-1) as Told).seed,
    seeds: told.length,
    failed: told.filter(({ failures }) => failures.length > 0).length,
    operations: told.reduce((sum, one) => sum + one.operations, 0),
    faults,
    simulatedSeconds: Math.round(told.reduce((sum, one) => sum + one.simulatedSeconds, 0)),
    date: new Date().toISOString(),
  };
}

/** A process that tells stories, one batch after the other. */
class Worker {
  batches = 0;
  #events: ((told: Told | "done") => void) | null = null;
  #ended: (() => void) | null = null;
  readonly #process;

  constructor() {
    this.#process = Bun.spawn([process.execPath, new URL("simulate.ts", import.meta.url).pathname, "--worker"], {
      stdio: ["ignore", "inherit", "inherit"],
      ipc: (message) => this.#events?.(message as Told | "done"),
      onExit: () => this.#ended?.(),
    });
  }
  /** False when the process ended before the batch was told. */
  tell(task: Task, told: (told: Told) => void): Promise<boolean> {
    return new Promise((resolve) => {
      this.#ended = () => resolve(false);
      this.#events = (message) => (message === "done" ? resolve(true) : told(message));
      this.#process.send(task);
    });
  }
  kill(): void {
    this.#process.kill();
  }
}
