import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Canary, Edit } from "./canaries.ts";

const TOP = join(import.meta.dir, "../../..");
/** What the simulator needs to run. */
const COPIED = ["src", "test/simulator", "test/storage", "package.json", "tsconfig.json"];
const HUNT_MS_MAX = 600_000;

export interface Catch {
  readonly seed: number;
  readonly failure: string;
}

/** Runs fresh seeds on a copy of the sources with the canary's edits; null when nothing was noticed. */
export async function hunt(canary: Canary, firstSeed: number): Promise<Catch | null> {
  const directory = await mkdtemp(join(tmpdir(), "virtustor-canary-"));
  try {
    for (const part of COPIED) await cp(join(TOP, part), join(directory, part), { recursive: true });
    await symlink(join(TOP, "node_modules"), join(directory, "node_modules"));
    for (const edit of canary.edits) await applyEdit(directory, edit);
    return await search(directory, firstSeed, canary.seedsMax);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Throws when the text to be broken is not there exactly once. */
async function applyEdit(directory: string, { file, find, replace }: Edit): Promise<void> {
  const path = join(directory, file);
  const parts = (await readFile(path, "utf8")).split(find);
  if (parts.length !== 2) throw new Error(`a canary no longer fits ${file}: "${find}" is there ${parts.length - 1} times`);
  await writeFile(path, parts.join(replace));
}

async function search(directory: string, firstSeed: number, count: number): Promise<Catch | null> {
  const child = Bun.spawn([process.execPath, join(directory, "test/simulator/canaries/search.ts"), String(firstSeed), String(count)], { cwd: directory, stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: HUNT_MS_MAX, killSignal: "SIGKILL" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  const last = out.trim().split("\n").at(-1) ?? "";
  if (last === "nothing") return null;
  const [seed = "", ...failure] = last.split(" ");
  if (!/^\d+$/.test(seed)) throw new Error(`the search ended without a result:\n${out}\n${err}`);
  return { seed: Number(seed), failure: failure.join(" ") };
}
