import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { appendTelling, currentCode, ofCode, readLedger, showSummary, timesPassed, TOP, type Code, type Telling } from "./ledger.ts";

const USAGE = `usage: npm run scenarios -- [--times N] [--summary] [NAME...]
Tells the scenarios whose file name contains a NAME (default: all) until each has passed N times (default 1) with the code that is
checked out, as test/scenarios/ledger.jsonl counts them; goes on where an earlier call has ended. Stops at the first failure and keeps
its logs. --summary prints what the ledger holds of this code.`;
/** A file that takes longer hangs. */
const FILE_WITHIN_MS = 900_000;
/** The goal is for a minute of absence; npm test takes less. */
const ABSENCE_SECONDS = "60";

interface Outcome {
  readonly passed: boolean;
  readonly tellings: readonly Pick<Telling, "story" | "passed" | "seconds" | "notes">[];
  readonly output: string;
}

/** Tells all stories of a file once. `logs`: where the trials' logs go. */
async function tell(file: string, logs: string): Promise<Outcome> {
  const child = Bun.spawn([process.execPath, "test", `./test/scenarios/${file}`], {
    cwd: TOP,
    // CI: a story that cannot be told here must fail, not be skipped.
    env: { ABSENCE_SECONDS, ...process.env, CI: "true", SCENARIO_LOGS: logs },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: FILE_WITHIN_MS,
    // Lets it take its trials with it.
    killSignal: "SIGTERM",
  });
  // Bun writes verdicts to one stream and console.log to the other, so each story's notes are told apart by its name alone.
  const [out, err, code] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  const notes = out.split("\n").filter((line) => line.startsWith("# ")).map((line) => line.slice(2));
  const verdicts = [...err.matchAll(/^\((pass|fail)\) (.*) \[([\d.]+)(ms|s)\]$/gm)];
  const tellings = verdicts.map(([, verdict, story = "", time, unit], index) => ({
    story,
    passed: verdict === "pass",
    seconds: Math.round(Number(time) / (unit === "ms" ? 1000 : 1)),
    notes: index === verdicts.length - 1 ? notes : [],
  }));
  return { passed: code === 0 && tellings.length > 0, tellings, output: `${out}\n${err}` };
}

async function repeat(files: readonly string[], times: number, code: Code): Promise<number> {
  if (code.dirty) console.log("the working tree has changes: what is told now goes into the ledger marked so, and is not counted");
  const told = new Map<string, number>();
  const count = (file: string): number => (code.dirty ? (told.get(file) ?? 0) : timesPassed(ofCode(readLedger(), code), file));
  for (;;) {
    // In turn, so that an interrupted run has told all of them about as often.
    const [next] = files.map((file) => ({ file, times: count(file) })).filter((one) => one.times < times).sort((one, other) => one.times - other.times);
    if (next === undefined) return 0;
    const logs = mkdtempSync(join(tmpdir(), "virtustor-scenarios-"));
    const { passed, tellings, output } = await tell(next.file, logs);
    const date = new Date().toISOString();
    for (const telling of tellings) appendTelling({ ...code, file: next.file, ...telling, date });
    told.set(next.file, (told.get(next.file) ?? 0) + 1);
    const seconds = tellings.reduce((sum, one) => sum + one.seconds, 0);
    console.log(`${date} ${next.file}: ${passed ? "passed" : "FAILED"}, ${next.times + (passed ? 1 : 0)} of ${times}, ${seconds} s`);
    if (!passed) {
      const path = join(logs, "output.txt");
      writeFileSync(path, output);
      console.log(`${output}\n${next.file} failed; its output is in ${path}, the logs of its trials are beside it`);
      return 1;
    }
    rmSync(logs, { recursive: true, force: true });
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { times: { type: "string", default: "1" }, summary: { type: "boolean" }, help: { type: "boolean" } },
});
const times = Number(values.times);
const all = readdirSync(import.meta.dir).filter((name) => name.endsWith(".test.ts")).sort();
const files = positionals.length === 0 ? all : all.filter((file) => positionals.some((part) => file.includes(part)));
if (values.help === true || files.length === 0 || !Number.isSafeInteger(times) || times < 1) {
  console.log(USAGE);
  process.exit(values.help === true ? 0 : 2);
}
if (values.summary === true) console.log(showSummary(readLedger(), currentCode()));
else process.exit(await repeat(files, times, currentCode()));
