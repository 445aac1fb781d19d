import { resolve } from "node:path";
import { Command } from "commander";
import { BenchCluster, defaultDirectory } from "./cluster.ts";
import { cpuBetween, cpuOf, cpuOfTrial } from "./cpu.ts";
import { measureSync } from "./disk.ts";
import type { Job, Measured } from "./load.ts";
import { ratiosOf, round, textOf, type BenchReport, type Row } from "./report.ts";

/** Larger than any cache of a processor, small enough for every machine's page cache: reads measure the software. */
const WORKING_SET_BYTES = 2 ** 30;
const MIB = 2 ** 20;
const BLOCK_BYTES = 4096;
const LARGE_DEPTH = 8;
const DEPTHS = [1, 32] as const;
/** Lets the checkpoints of one load end before the next begins. */
const PAUSE_MS = 1_000;
/** No load leaves the host without an answer for as long as its deadline. */
const HANG_MS = 120_000;

interface Chosen {
  readonly store: string;
  readonly processes: string;
  readonly seconds: string;
  readonly dir: string;
  readonly portBase: string;
  readonly program: string;
  readonly only?: string;
  readonly json?: boolean;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

function loads(seconds: number, only: RegExp): (Job & { readonly name: string })[] {
  const common = { workingSetBytes: WORKING_SET_BYTES, warmUpSeconds: 1, seconds };
  const small = DEPTHS.flatMap((queueDepth) =>
    (["read", "write"] as const).map((kind) => ({ ...common, name: `4 KiB random ${kind}, qd${queueDepth}`, kind, order: "random" as const, bytes: BLOCK_BYTES, queueDepth })),
  );
  const large = (["read", "write"] as const).map((kind) => ({ ...common, name: `1 MiB sequential ${kind}, qd${LARGE_DEPTH}`, kind, order: "sequential" as const, bytes: MIB, queueDepth: LARGE_DEPTH }));
  return [...small, ...large].filter(({ name }) => only.test(name));
}

/** The load generator's process and its lines. */
class Client {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: AsyncIterator<string>;

  constructor(url: string) {
    this.#child = Bun.spawn([process.execPath, new URL("load.ts", import.meta.url).pathname, url], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    this.#lines = linesOf(this.#child.stdout);
  }
  get pid(): number {
    return this.#child.pid;
  }

  async run(job: Job, begun: () => void): Promise<Measured> {
    this.#child.stdin.write(`${JSON.stringify(job)}\n`);
    await this.#child.stdin.flush();
    if ((await this.#line()) !== "begun") throw new Error("the load generator does not begin");
    begun();
    return JSON.parse(await this.#line()) as Measured;
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }

  async #line(): Promise<string> {
    const hangs = Bun.sleep(HANG_MS).then((): never => {
      throw new Error(`no answer from the load generator for ${HANG_MS / 1000} s`);
    });
    const next = await Promise.race([this.#lines.next(), hangs]);
    if (next.done === true) throw new Error("the load generator has ended; what it said is above");
    return next.value;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

async function measure(cluster: BenchCluster, client: Client, job: Job & { readonly name: string }): Promise<Row> {
  const trial = cluster.trial();
  let before = cpuOfTrial(trial);
  let clientBefore = cpuOf(client.pid);
  const measured = await client.run(job, () => {
    before = cpuOfTrial(trial);
    clientBefore = cpuOf(client.pid);
  });
  const used = cpuBetween(before, cpuOfTrial(trial));
  const clientUsed = cpuOf(client.pid) - clientBefore;
  const thousands = Math.max(measured.commands, 1) / 1000;
  const iops = measured.commands / measured.seconds;
  return {
    ...measured,
    name: job.name,
    bytes: job.bytes,
    queueDepth: job.queueDepth,
    iops: round(iops, 1),
    mibPerSecond: round((iops * job.bytes) / MIB, 1),
    cpuSecondsPer1000: round([...used.values()].reduce((sum, seconds) => sum + seconds, 0) / thousands, 5),
    cpuSecondsPer1000ByRole: Object.fromEntries([...used].sort((a, b) => b[1] - a[1]).map(([role, seconds]) => [role, round(seconds / thousands, 5)])),
    clientCpuSecondsPer1000: round(clientUsed / thousands, 5),
  };
}

/** CPU seconds per second of a trial without load, by role: it is part of every row, and most of one with few commands. */
async function measureIdle(cluster: BenchCluster, seconds: number): Promise<Record<string, number>> {
  const trial = cluster.trial();
  const before = cpuOfTrial(trial);
  const startMs = performance.now();
  await Bun.sleep(seconds * 1000);
  const used = cpuBetween(before, cpuOfTrial(trial));
  const elapsed = (performance.now() - startMs) / 1000;
  return Object.fromEntries([...used].map(([role, cpu]) => [role, round(cpu / elapsed, 4)]));
}

async function bench(chosen: Chosen, cluster: BenchCluster, stopped: Promise<never>): Promise<BenchReport> {
  say(`a trial in ${cluster.directory}`);
  await Promise.race([cluster.start(), stopped]);
  const client = new Client(cluster.url);
  try {
    say(`writing a working set of ${WORKING_SET_BYTES / MIB} MiB`);
    const fill: Job = { kind: "fill", order: "sequential", bytes: MIB, queueDepth: LARGE_DEPTH, workingSetBytes: WORKING_SET_BYTES, warmUpSeconds: 0, seconds: 0 };
    await Promise.race([client.run(fill, () => undefined), stopped]);
    await Bun.sleep(PAUSE_MS);
    say(`nothing for ${chosen.seconds} s`);
    const idle = await Promise.race([measureIdle(cluster, Number(chosen.seconds)), stopped]);
    const rows: Row[] = [];
    for (const job of loads(Number(chosen.seconds), new RegExp(chosen.only ?? ""))) {
      await Bun.sleep(PAUSE_MS);
      say(`${job.name} for ${chosen.seconds} s`);
      rows.push(await Promise.race([measure(cluster, client, job), stopped]));
    }
    // While nothing else uses the disk.
    await Bun.sleep(PAUSE_MS);
    const fdatasync = measureSync(cluster.directory);
    return { store: chosen.store, processes: chosen.processes, workingSetBytes: WORKING_SET_BYTES, fdatasync, idle, rows, ratios: ratiosOf(rows, fdatasync) };
  } finally {
    client.stop();
  }
}

async function main(chosen: Chosen): Promise<void> {
  if (!(Number(chosen.seconds) > 0)) throw new Error(`--seconds: "${chosen.seconds}" is not a time`);
  const { store, processes } = chosen;
  const cluster = BenchCluster.make({
    program: resolve(chosen.program), dir: resolve(chosen.dir), store, processes, portBase: Number(chosen.portBase), volumeBytes: WORKING_SET_BYTES, progress: say,
  });
  const stopped = new Promise<never>((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => reject(new Error(`stopped by ${signal}`)));
  });
  stopped.catch(() => undefined);
  try {
    const report = await bench(chosen, cluster, stopped);
    process.stdout.write(`${chosen.json === true ? JSON.stringify(report) : textOf(report)}\n`);
  } finally {
    say("removing the trial");
    await cluster.wipe();
  }
}

const program = new Command("bench").description("measures a trial of its own; `bench hot` measures hot functions instead");
program
  .option("--store <kind>", "sqlite or etcd", "etcd")
  .option("--processes <how>", "separate or shared", "separate")
  .option("--seconds <seconds>", "of each load", "5")
  .option("--dir <directory>", "on the disk to measure", defaultDirectory())
  .option("--port-base <port>", "the trial's ports lie in the 50 from here", "13260")
  .option("--program <path>", "the executable to measure", "dist/virtustor")
  .option("--only <pattern>", "only loads whose name matches this regular expression")
  .option("--json", "print one JSON object")
  .action(main);
program.command("hot").description("hot functions alone").action(async () => void (await import("./hot.ts")));
try {
  await program.parseAsync();
  process.exit(0);
} catch (error) {
  say(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
