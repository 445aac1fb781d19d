import { explore, type Task, type Told } from "./explore.ts";
import { currentCode, readLedger, showFaults, showSummary, summarize } from "./ledger.ts";
import { runSeed, type SeedResult } from "./run.ts";
import { SERVERS_MAX, SERVERS_MIN, SHAPES, shapeName, shapeOf, type Shape } from "./shapes.ts";

const USAGE = `npm run simulate -- [options]
  --seed N          tells one story again; exit code 1 when it fails
  --servers 3..7    of this many servers (without it a seed has its own number)
  --copies 2|3      with so many copies
  --minutes M       of so many simulated minutes with faults (default 1)
  --trace           tells everything that happens in it
  --for 30m         explores fresh seeds for so long (s, m, h); without it until interrupted or until one fails
  --workers N       processes that do it (default: one for each core)
  --summary         what the ledger holds for the code as it is now; --json: for programs`;

/** For one that spends a whole story's time on a fault: the last lines before it. */
const LINES_SHOWN = 30;

const words = process.argv.slice(2);
const has = (name: string): boolean => words.includes(`--${name}`);
const text = (name: string): string | null => {
  const at = words.indexOf(`--${name}`);
  return at < 0 ? null : (words[at + 1] ?? "");
};
function number(name: string, from: number, to: number): number | null {
  const given = text(name);
  if (given === null) return null;
  const value = Number(given);
  if (given === "" || !(value >= from && value <= to)) return usage(`--${name} takes a number from ${from} to ${to}`);
  return value;
}
function usage(problem: string): never {
  console.error(`${problem}\n\n${USAGE}`);
  process.exit(2);
}
function duration(given: string): number {
  const found = /^(\d+(?:\.\d+)?)([smh])$/.exec(given);
  if (!found) return usage("--for takes a time such as 90s, 30m or 2h");
  return Number(found[1]) * { s: 1000, m: 60_000, h: 3_600_000 }[found[2] as "s" | "m" | "h"];
}

const KNOWN = ["seed", "servers", "copies", "minutes", "trace", "for", "workers", "summary", "json", "worker", "help"];
for (const word of words) if (word.startsWith("--") && !KNOWN.includes(word.slice(2))) usage(`there is no option ${word}`);
const lost: string[] = [];
process.on("unhandledRejection", (error: unknown) => void lost.push(error instanceof Error ? (error.stack ?? error.message) : String(error)));

if (has("help")) console.log(USAGE);
else if (has("worker")) serve();
else if (has("summary")) {
  const summary = summarize(readLedger(), currentCode());
  console.log(has("json") ? JSON.stringify(summary) : showSummary(summary));
} else if (has("seed")) process.exit(await one());
else {
  const minutes = number("minutes", 0.05, 60) ?? 1;
  const servers = number("servers", SERVERS_MIN, SERVERS_MAX);
  const copies = number("copies", 2, 3) as 2 | 3 | null;
  const shapes = (servers === null ? [3, 5, 7] : [servers]).flatMap((count) => (copies === null ? [2, 3] as const : [copies]).map((each) => ({ servers: count, copies: each })));
  const workers = number("workers", 1, 1024);
  process.exit(await explore({ forMs: text("for") === null ? Infinity : duration(text("for") ?? ""), minutes, shapes: servers === null && copies === null ? SHAPES : shapes, ...(workers === null ? {} : { workers }) }));
}

async function told(seed: number, shape: Shape, minutes: number, verbose: boolean): Promise<SeedResult> {
  const result = runSeed(seed, { shape, faultyMs: minutes * 60_000, verbose });
  // What is rejected and heard by nobody is a bug of the product or of the simulator.
  await new Promise((resolve) => setImmediate(resolve));
  return { ...result, failures: [...result.failures, ...lost.splice(0)] };
}

async function one(): Promise<number> {
  const seed = number("seed", 0, Number.MAX_SAFE_INTEGER) as number;
  const own = shapeOf(seed);
  const shape: Shape = { servers: number("servers", SERVERS_MIN, SERVERS_MAX) ?? own.servers, copies: (number("copies", 2, 3) as 2 | 3 | null) ?? own.copies };
  const startedMs = performance.now();
  const result = await told(seed, shape, number("minutes", 0.05, 60) ?? 1, has("trace"));
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`seed ${seed}, shape ${shapeName(shape)}: ${result.operations} operations, ${result.simulatedSeconds.toFixed(0)} simulated seconds in ${seconds} s; ${showFaults(result.faults)}; trace ${result.fingerprint}`);
  if (result.failures.length === 0) console.log("passed");
  else {
    if (!has("trace")) console.log(result.lines.slice(-LINES_SHOWN).join("\n"));
    console.log(`FAILED: ${result.failures.join("\n")}`);
  }
  return result.failures.length === 0 ? 0 : 1;
}

/** As a worker of `explore`. */
function serve(): void {
  process.on("message", (task: Task) => {
    const run = async (): Promise<void> => {
      for (let seed = task.firstSeed; seed < task.firstSeed + task.seeds; seed += 1) {
        const { failures, operations, faults, simulatedSeconds } = await told(seed, task.shape, task.minutes, false);
        const message: Told = { seed, failures, operations, faults, simulatedSeconds };
        process.send?.(message);
      }
      process.send?.("done");
    };
    void run();
  });
  process.on("disconnect", () => process.exit(0));
}
