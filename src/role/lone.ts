import { rmSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { ServerName } from "../base/ids.ts";
import type { Clock, Timer } from "../platform/platform.ts";
import { askPort } from "../platform/port-probe.ts";
import type { AskPort } from "../storage/lone-survivor.ts";

/**
 * R24: an administrator's word on this server, in a small file of the server's directory, since without a quorum there is no store to
 * keep it in:
 *
 *     lone-survivor.json    {givenMs, servers}: written by management, read by storage; removed when the store answers again and
 *                           when the supervisor starts. `givenMs` is CLOCK_BOOTTIME, the same for all processes of a machine
 */
const FILE = "lone-survivor.json";
const wordFile = v.object({ givenMs: v.number(), servers: v.array(v.pipe(v.string(), v.transform((name) => name as ServerName))) });
export type LoneWord = v.InferOutput<typeof wordFile>;

/** A word is obeyed this soon, and ends this soon after its file is gone. */
const LOOK_EVERY_MS = 1000;
/** Less than a refusal proves: a later answer would prove nothing any more. */
const ASK_WITHIN_MS = 800;

/** For management. */
export async function giveWord(directory: string, word: LoneWord): Promise<void> {
  await writeFile(join(directory, `${FILE}.new`), JSON.stringify(word), { mode: 0o600 });
  await rename(join(directory, `${FILE}.new`), join(directory, FILE));
}
export async function withdrawWord(directory: string): Promise<void> {
  await rm(join(directory, FILE), { force: true });
}
/** For the supervisor, before any role runs. */
export function withdrawWordAtStart(directory: string): void {
  rmSync(join(directory, FILE), { force: true });
}
export async function readWord(directory: string): Promise<LoneWord | null> {
  try {
    return v.parse(wordFile, JSON.parse(await readFile(join(directory, FILE), "utf8")));
  } catch {
    // None was given; or what is there is no word, which is the same.
    return null;
  }
}

/** The word as a role process knows it, looked at again and again. */
export class WordWatch {
  #word: LoneWord | null = null;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #seen: (word: LoneWord | null) => void;
  #timer: Timer | null = null;
  #closed = false;

  /** `seen` is told at each look. */
  constructor(directory: string, clock: Clock, seen: (word: LoneWord | null) => void = () => {}) {
    this.#directory = directory;
    this.#clock = clock;
    this.#seen = seen;
    void this.#look();
  }
  get word(): LoneWord | null {
    return this.#word;
  }
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }
  async #look(): Promise<void> {
    this.#word = await readWord(this.#directory);
    if (this.#closed) return;
    this.#seen(this.#word);
    this.#timer = this.#clock.timer(LOOK_EVERY_MS, () => void this.#look());
  }
}

/** Asks a port: only a refusal is an answer. */
export function portAsker(clock: Clock): AskPort {
  return async (_drive, { address, port }) => ((await askPort(clock, address, port, ASK_WITHIN_MS)) === "refused" ? "refused" : "unknown");
}
