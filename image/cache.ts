import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.ts";

/** Under the project's folder and ignored by git; may be removed at any time. */
export const CACHE = join(import.meta.dir, "../.cache/image");

/** Results of a step that are kept: the one for a release, the one for every day, and one to go back to. */
const KEPT_MAX = 3;

export interface Step {
  readonly name: string;
  /** All that the result depends on. Two runs with the same inputs may take each other's result. */
  readonly inputs: unknown;
  /** The step's own source, so that a change to it counts as a change of its inputs. */
  readonly source: string;
  /** Fills the folder `into`, which is empty and not yet under its final name. */
  readonly make: (into: string) => Promise<void>;
}

/** Gives the folder with the step's result, made now or earlier. A step that was interrupted left nothing. */
export async function cached(step: Step): Promise<string> {
  const key = hash(JSON.stringify(step.inputs), readFileSync(step.source));
  const folder = join(CACHE, step.name);
  const result = join(folder, key);
  const began = performance.now();
  if (existsSync(result)) {
    utimesSync(result, new Date(), new Date());
    return say(step.name, began, "as before", result);
  }
  const aside = join(folder, `.${key}-${process.pid}`);
  await run(["rm", "-rf", aside]);
  mkdirSync(aside, { recursive: true });
  try {
    await step.make(aside);
    renameSync(aside, result);
  } finally {
    await run(["rm", "-rf", aside]);
  }
  await forgetOldest(folder);
  return say(step.name, began, "made", result);
}

async function forgetOldest(folder: string): Promise<void> {
  const names = readdirSync(folder).filter((name) => !name.startsWith("."));
  const times = new Map(await Promise.all(names.map(async (name) => [name, (await Bun.file(join(folder, name)).stat()).mtimeMs] as const)));
  const oldestFirst = names.sort((a, b) => (times.get(a) ?? 0) - (times.get(b) ?? 0));
  for (const name of oldestFirst.slice(0, -KEPT_MAX)) rmSync(join(folder, name), { recursive: true, force: true });
}

function say(name: string, began: number, how: string, result: string): string {
  console.error(`image: ${name.padEnd(9)} ${how.padEnd(9)} ${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s`);
  return result;
}

/** Hex, long enough that two inputs never meet. */
export function hash(...parts: readonly (string | Uint8Array)[]): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const part of parts) hasher.update(part).update("\0");
  return hasher.digest("hex").slice(0, 32);
}

/** Hash over the names, modes and contents of all files below a folder, links by where they point. */
export async function hashOfFolder(folder: string): Promise<string> {
  const { stdout } = Bun.spawnSync(["bash", "-c", "cd \"$1\" && find . -printf '%P %m %l\\n' | LC_ALL=C sort && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum", "bash", folder]);
  return hash(stdout);
}
