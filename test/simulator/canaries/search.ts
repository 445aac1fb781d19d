import { runSeed } from "../run.ts";

// bun search.ts FIRST COUNT: prints the first of these seeds that fails and how, or "nothing".
const [first = 1, count = 1] = process.argv.slice(2).map(Number);
const lost: string[] = [];
process.on("unhandledRejection", (error: Error) => void lost.push(error.message));

for (let seed = first; seed < first + count; seed += 1) {
  const { failures } = runSeed(seed);
  await new Promise((resolve) => setImmediate(resolve));
  const failure = failures[0] ?? lost[0];
  if (failure === undefined) continue;
  console.log(`${seed} ${failure.split("\n")[0]}`);
  process.exit(0);
}
console.log("nothing");
