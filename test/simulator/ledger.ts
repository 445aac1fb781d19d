import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SHAPES, shapeName } from "./shapes.ts";

const TOP = join(import.meta.dir, "../..");
export const LEDGER = join(import.meta.dir, "ledger.jsonl");

/** What tells stories. */
const ENTRY = "test/simulator/simulate.ts";

/** One line of the ledger: seeds of one shape that were told without a failure, or up to one. */
export interface Batch {
  readonly commit: string;
  /** Hash over the protocol's code in that commit. */
  readonly code: string;
  /** Hash over the simulator's. */
  readonly simulator: string;
  /** The working tree differed from the commit: counts for nothing. */
  readonly dirty: boolean;
  readonly shape: string;
  readonly firstSeed: number;
  readonly lastSeed: number;
  readonly seeds: number;
  readonly failed: number;
  readonly operations: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly simulatedSeconds: number;
  readonly date: string;
}
export type Code = Pick<Batch, "commit" | "code" | "simulator" | "dirty">;

/** What is checked out. Without git everything counts as changed. */
export function currentCode(): Code {
  const commit = git("rev-parse", "--short=12", "HEAD");
  const simulated = simulatedSources();
  const code = hashOf(git("ls-tree", "-r", "HEAD", "--", ...simulated));
  const simulator = hashOf(git("ls-tree", "-r", "HEAD", "--", "test/simulator").split("\n").filter((line) => line.endsWith(".ts")).join("\n"));
  const changed = git("status", "--porcelain", "--", ...simulated, "test/simulator").split("\n").filter((line) => line !== "" && !/ledger\.jsonl$/.test(line));
  return { commit: commit || "none", code, simulator, dirty: commit === "" || changed.length > 0 };
}

export function appendBatch(batch: Batch, path = LEDGER): void {
  appendFileSync(path, `${JSON.stringify(batch)}\n`);
}

export function readLedger(path = LEDGER): Batch[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Batch);
}

/** Where exploring goes on: seeds are never told twice. */
export function nextSeed(batches: readonly Batch[]): number {
  return batches.reduce((highest, { lastSeed }) => Math.max(highest, lastSeed), 0) + 1;
}

export interface Sum {
  readonly shape: string;
  seeds: number;
  failed: number;
  operations: number;
  simulatedSeconds: number;
}
export interface Summary extends Code {
  readonly shapes: readonly Sum[];
  readonly total: Sum;
  readonly faults: Readonly<Record<string, number>>;
}

/** What the ledger holds of `code`, told from a clean tree. */
export function summarize(batches: readonly Batch[], code: Code): Summary {
  const empty = (shape: string): Sum => ({ shape, seeds: 0, failed: 0, operations: 0, simulatedSeconds: 0 });
  const sums = new Map(SHAPES.map((shape) => [shapeName(shape), empty(shapeName(shape))]));
  const total = empty("all");
  const faults: Record<string, number> = {};
  for (const batch of batches) {
    if (batch.dirty || batch.code !== code.code) continue;
    let sum = sums.get(batch.shape);
    if (!sum) sums.set(batch.shape, (sum = empty(batch.shape)));
    for (const to of [sum, total]) {
      to.seeds += batch.seeds;
      to.failed += batch.failed;
      to.operations += batch.operations;
      to.simulatedSeconds += batch.simulatedSeconds;
    }
    for (const [kind, count] of Object.entries(batch.faults)) faults[kind] = (faults[kind] ?? 0) + count;
  }
  return { ...code, shapes: [...sums.values()], total, faults };
}

export function showSummary({ commit, code, dirty, shapes, total, faults }: Summary): string {
  const row = (...cells: readonly (string | number)[]): string => cells.map((cell, i) => (i === 0 ? String(cell).padEnd(18) : String(cell).padStart(12))).join("");
  const lines = [
    `protocol code ${code} (commit ${commit}${dirty ? ", changed since: what is told now will not be counted" : ""})`,
    row("servers x copies", "seeds", "failed", "operations", "sim. hours"),
    ...[...shapes, total].map((sum) => row(sum.shape, sum.seeds, sum.failed, sum.operations, (sum.simulatedSeconds / 3600).toFixed(1))),
    `faults: ${showFaults(faults) || "none"}`,
  ];
  return lines.join("\n");
}

export function showFaults(faults: Readonly<Record<string, number>>): string {
  return Object.entries(faults).sort(([, a], [, b]) => b - a).map(([kind, count]) => `${kind} ${count}`).join(", ");
}

/** What of the product the simulation runs: every file that it imports, directly or not, but for types. A batch speaks for exactly this code. */
export function simulatedSources(): string[] {
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  const seen = new Set<string>();
  const walk = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { path: specifier } of transpiler.scanImports(readFileSync(join(TOP, path), "utf8"))) {
      if (specifier.startsWith(".")) walk(join(dirname(path), specifier));
    }
  };
  walk(ENTRY);
  return [...seen].filter((path) => path.startsWith("src/")).sort();
}

function git(...parts: string[]): string {
  const { stdout, exitCode } = Bun.spawnSync(["git", "-C", TOP, ...parts], { stderr: "ignore" });
  return exitCode === 0 ? stdout.toString().trimEnd() : "";
}
function hashOf(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 16);
}
