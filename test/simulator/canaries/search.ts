import { runSeed } from "../run.ts";
import type { Shape } from "../shapes.ts";

/** What a search is asked, as JSON in its only argument. */
export interface Search {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly seconds: number;
  readonly shape: Shape | null;
  /** Source of a regular expression: failures that count. */
  readonly answers: string;
}
/** Its last line. */
export interface Found {
  readonly seed: number | null;
  readonly failure: string;
  /** Stories that ended with something else. */
  readonly others: readonly string[];
}

const { firstSeed, seeds, seconds, shape, answers } = JSON.parse(process.argv[2] ?? "") as Search;
const lost: string[] = [];
process.on("unhandledRejection", (error: unknown) => void lost.push(error instanceof Error ? error.message : String(error)));

const others: string[] = [];
let found: Found | null = null;
for (let seed = firstSeed; !found && seed < firstSeed + seeds; seed += 1) {
  const { failures } = runSeed(seed, { faultyMs: seconds * 1000, ...(shape && { shape }) });
  await new Promise((resolve) => setImmediate(resolve));
  const all = [...failures, ...lost.splice(0)].map((failure) => failure.split("\n")[0] ?? "");
  const right = all.find((failure) => new RegExp(answers).test(failure));
  if (right !== undefined) found = { seed, failure: right, others };
  else if (all[0] !== undefined) others.push(`seed ${seed}: ${all[0]}`);
}
console.log(JSON.stringify(found ?? { seed: null, failure: "", others }));
