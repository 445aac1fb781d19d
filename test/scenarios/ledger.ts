import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const TOP = join(import.meta.dir, "../..");
export const LEDGER = join(import.meta.dir, "ledger.jsonl");
/** What a run tells of: the product, and the tests that told it. */
const PRODUCT = ["src", "package-lock.json"];
const TESTS = ["test/scenarios", "test/initiator"];

/** One line of the ledger: one story, told once. */
export interface Telling {
  readonly commit: string;
  /** Hash over the product's sources in that commit: a telling speaks for exactly this code. */
  readonly code: string;
  /** Sources differed from the commit: counts for nothing. */
  readonly dirty: boolean;
  /** File below test/scenarios. */
  readonly file: string;
  readonly story: string;
  readonly passed: boolean;
  readonly seconds: number;
  /** What the story had to report: gaps, ratios. */
  readonly notes: readonly string[];
  readonly date: string;
}
export type Code = Pick<Telling, "commit" | "code" | "dirty">;

/** What is checked out. Without git everything counts as changed. */
export function currentCode(): Code {
  const commit = git("rev-parse", "--short=12", "HEAD");
  const tree = git("ls-tree", "-r", "HEAD", "--", ...PRODUCT);
  const code = new Bun.CryptoHasher("sha256").update(tree).digest("hex").slice(0, 16);
  const changed = git("status", "--porcelain", "--", ...PRODUCT, ...TESTS).split("\n").filter((line) => line !== "" && !line.endsWith("test/scenarios/ledger.jsonl"));
  return { commit: commit || "none", code, dirty: commit === "" || changed.length > 0 };
}

export function appendTelling(telling: Telling, path = LEDGER): void {
  appendFileSync(path, `${JSON.stringify(telling)}\n`);
}

export function readLedger(path = LEDGER): Telling[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Telling);
}

/** What the ledger holds of a code, told from a clean tree. */
export function ofCode(tellings: readonly Telling[], code: Code): Telling[] {
  return tellings.filter((telling) => !telling.dirty && telling.code === code.code);
}

/** How often each story of a file has passed at least; 0 for a file that was never told. */
export function timesPassed(tellings: readonly Telling[], file: string): number {
  const passes = new Map<string, number>();
  for (const { file: its, story, passed } of tellings) if (its === file) passes.set(story, (passes.get(story) ?? 0) + (passed ? 1 : 0));
  return passes.size === 0 ? 0 : Math.min(...passes.values());
}

export function showSummary(tellings: readonly Telling[], code: Code): string {
  const stories = new Map<string, { passed: number; failed: number; seconds: number }>();
  for (const { file, story, passed, seconds } of ofCode(tellings, code)) {
    const name = `${file.replace(/\.test\.ts$/, "")}: ${story}`;
    const sum = stories.get(name) ?? { passed: 0, failed: 0, seconds: 0 };
    sum[passed ? "passed" : "failed"]++;
    sum.seconds += seconds;
    stories.set(name, sum);
  }
  const row = (passed: number | string, failed: number | string, seconds: number | string, story: string): string =>
    `${String(passed).padStart(6)}  ${String(failed).padStart(6)}  ${String(seconds).padStart(9)}  ${story}`;
  return [
    `code ${code.code} (commit ${code.commit}${code.dirty ? ", changed since: what is told now will not be counted" : ""})`,
    row("passed", "failed", "s on avg.", "story"),
    ...[...stories].sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, { passed, failed, seconds }]) => row(passed, failed, Math.round(seconds / (passed + failed)), name)),
  ].join("\n");
}

function git(...parts: string[]): string {
  const { stdout, exitCode } = Bun.spawnSync(["git", "-C", TOP, ...parts], { stderr: "ignore" });
  return exitCode === 0 ? stdout.toString().trimEnd() : "";
}
