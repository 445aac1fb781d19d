import { runSeed } from "./run.ts";

// bun test/simulator/simulate.ts --seed N            one story, told in full; --quiet: only how it ends
// bun test/simulator/simulate.ts --from N --seconds S as many as fit
const argument = (name: string): number | null => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? null : Number(process.argv[at + 1]);
};
const lost: string[] = [];
process.on("unhandledRejection", (error: Error) => void lost.push(error.stack ?? error.message));

const only = argument("seed");
if (only !== null) {
  const result = runSeed(only, !process.argv.includes("--quiet"));
  await new Promise((resolve) => setImmediate(resolve));
  console.log([...lost, ...result.failures].join("\n") || "passed", result.fingerprint, result.commands, result.reads);
  process.exit(result.failures.length + lost.length > 0 ? 1 : 0);
}
const endMs = performance.now() + 1000 * (argument("seconds") ?? 60);
let failed = 0;
let count = 0;
let commands = 0;
for (let seed = argument("from") ?? 1; performance.now() < endMs; seed += 1) {
  const result = runSeed(seed);
  await new Promise((resolve) => setImmediate(resolve));
  count += 1;
  commands += result.commands;
  const failures = [...lost.splice(0), ...result.failures];
  if (failures.length === 0) continue;
  failed += 1;
  console.log(`seed ${seed}: ${failures.join("\n").slice(0, 1500)}`);
}
console.log(`${count} seeds, ${commands} commands, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
