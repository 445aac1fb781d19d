import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Canary, Edit, Stories, StoryTest } from "./canaries.ts";
import type { Found, Search } from "./search.ts";

const TOP = join(import.meta.dir, "../../..");
/** What the simulator needs to run. */
const COPIED = ["src", "test/simulator", "test/storage", "package.json", "tsconfig.json"];
const HUNT_MS_MAX = 600_000;
const FIRST_SEED = 1;
/** Simulated seconds with faults: most rules are met within so many, and a story of a minute takes four times as long. */
const SECONDS = 15;

/** `caught`: in words, by what; null when nobody noticed. */
export interface Outcome {
  readonly caught: string | null;
  readonly detail: string;
}

/** Hunts the canary in a copy of the sources with its edits. What catches it must find nothing wrong in the sources as they are. */
export async function hunt(canary: Canary): Promise<Outcome> {
  const directory = await mkdtemp(join(tmpdir(), "virtustor-canary-"));
  try {
    for (const part of COPIED) await cp(join(TOP, part), join(directory, part), { recursive: true });
    await symlink(join(TOP, "node_modules"), join(directory, "node_modules"));
    for (const edit of canary.edits) await applyEdit(directory, edit);
    const { caughtBy } = canary;
    return "test" in caughtBy ? await tell(directory, caughtBy) : await search(directory, caughtBy);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function applyEdit(directory: string, edit: Edit): Promise<void> {
  await writeFile(join(directory, edit.file), await edited(edit, directory));
}
/** The file as the edit makes it. Throws when the text to be broken is not there exactly once. */
export async function edited({ file, find, replace }: Edit, directory = TOP): Promise<string> {
  const parts = (await readFile(join(directory, file), "utf8")).split(find);
  if (parts.length !== 2) throw new Error(`a canary no longer fits ${file}: "${find}" is there ${parts.length - 1} times`);
  return parts.join(replace);
}

async function search(directory: string, { seedsMax, answers, shape, seconds = SECONDS }: Stories): Promise<Outcome> {
  const asked: Omit<Search, "firstSeed" | "seeds"> = { seconds, shape: shape ?? null, answers: answers.source };
  const { seed, failure, others } = await searchIn(directory, { ...asked, firstSeed: FIRST_SEED, seeds: seedsMax });
  if (seed === null) return { caught: null, detail: [`nothing in ${seedsMax} seeds`, ...others].join("\n") };
  const control = await searchIn(TOP, { ...asked, answers: "", firstSeed: seed, seeds: 1 });
  if (control.seed !== null) throw new Error(`seed ${seed} fails without the canary: ${control.failure}`);
  return { caught: `seed ${seed} of at most ${seedsMax}`, detail: failure };
}

async function searchIn(directory: string, asked: Search): Promise<Found> {
  const { out, err } = await run(directory, [join(directory, "test/simulator/canaries/search.ts"), JSON.stringify(asked)]);
  try {
    return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Found;
  } catch {
    throw new Error(`the search ended without a result:\n${out}\n${err}`);
  }
}

/** A told story must fail by its expectations in the copy, and only there. */
async function tell(directory: string, { test, named, answers }: StoryTest): Promise<Outcome> {
  const words = ["test", "--timeout", String(HUNT_MS_MAX), `./${test}`, "-t", named];
  const [broken, whole] = [await run(directory, words), await run(TOP, words)];
  if (whole.code !== 0) throw new Error(`${test} fails without the canary:\n${whole.err}`);
  const failed = broken.err.split("\n").find((line) => line.startsWith("(fail)"));
  const wrong = broken.err.split("\n").find((line) => answers.test(line));
  if (broken.code === 0 || failed === undefined || wrong === undefined) return { caught: null, detail: broken.err };
  return { caught: test, detail: `${wrong.trim()} ${failed.replace(/ \[.*/, "")}` };
}

async function run(directory: string, words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([process.execPath, ...words], { cwd: directory, stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: HUNT_MS_MAX, killSignal: "SIGKILL" });
  const [out, err, code] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { code, out, err };
}
