import type { Platform } from "../../platform/platform.ts";
import { PARKED } from "./layout.ts";
import { readParked, writeParked, type Parked } from "./parked.ts";

/** Nobody reads more of it by hand than this; each file is one range of blocks. */
export const PARKED_FILES_MAX = 4096;
/** A share of the drive that is missed by nobody: what hosts may fill ends at 95 %. */
export const PARKED_SHARE_MAX = 0.01;
/** Of a large drive. */
export const PARKED_BYTES_MAX = 1024 ** 3;
/** Of a tiny one: one extent. */
export const PARKED_BYTES_MIN = 4 * 1024 ** 2;

/** What `observed` tells of it. */
export interface ParkedCounts {
  readonly files: number;
  readonly bytes: number;
  /** Dropped for want of room since this process started. */
  readonly dropped: number;
}
/** One file of parked/; `parked`: null when it cannot be read any more. */
export interface ParkedFile {
  readonly name: string;
  readonly bytes: number;
  readonly parked: Parked | null;
}

/**
 * The folder parked/ of a drive: content that lost, for an administrator to look at. It is bounded in bytes and files: the newest is
 * kept, the oldest dropped, and each loss told. It never keeps a write of hosts from its space: what does not fit is not kept.
 */
export class ParkedFolder {
  readonly #platform: Platform;
  readonly #drive: string;
  readonly #limitBytes: number;
  /** Oldest first. */
  #files: { readonly name: string; readonly bytes: number }[] = [];
  #bytes = 0;
  #dropped = 0;
  #count = 0;
  /** One at a time: each needs the room that the one before has left. */
  #last: Promise<void> = Promise.resolve();

  constructor(platform: Platform, drive: string, capacityBytes: number) {
    this.#platform = platform;
    this.#drive = drive;
    this.#limitBytes = Math.max(PARKED_BYTES_MIN, Math.min(PARKED_BYTES_MAX, Math.floor(capacityBytes * PARKED_SHARE_MAX)));
  }

  get counts(): ParkedCounts {
    return { files: this.#files.length, bytes: this.#bytes, dropped: this.#dropped };
  }

  /** What earlier processes have left. */
  async open(): Promise<void> {
    this.#files = await namesOf(this.#platform, this.#drive);
    this.#bytes = this.#files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Durable when it resolves, or known not to be kept. `freeBytes`: of the drive, at the time of the asking. */
  keep(instance: number, parked: Omit<Parked, "parkedAtMs">, freeBytes: () => number): Promise<void> {
    const kept = this.#last.then(() => this.#keep(instance, parked, freeBytes));
    this.#last = kept.catch(() => undefined);
    return kept;
  }

  async #keep(instance: number, parked: Omit<Parked, "parkedAtMs">, freeBytes: () => number): Promise<void> {
    const { group, range, why, data } = parked;
    await this.#makeRoom(data.length, freeBytes);
    if (freeBytes() < data.length) {
      this.#dropped += 1;
      this.#platform.log.error("content that lost is not kept: there is no room for it on the drive", { directory: this.#drive, group, range, why, bytes: data.length });
      return;
    }
    this.#count += 1;
    const name = `${group}-${instance}-${this.#count}`;
    const bytes = await writeParked(this.#platform, this.#drive, name, { ...parked, parkedAtMs: this.#platform.clock.wallMs() });
    this.#files.push({ name, bytes });
    this.#bytes += bytes;
  }

  /** The newest is worth more: it is what somebody will ask about. */
  async #makeRoom(bytes: number, freeBytes: () => number): Promise<void> {
    while (this.#files.length >= PARKED_FILES_MAX || this.#bytes + bytes > this.#limitBytes || freeBytes() < bytes) {
      const oldest = this.#files.shift();
      if (!oldest) return;
      await this.#platform.files.remove(`${this.#drive}/${PARKED}/${oldest.name}`);
      this.#bytes -= oldest.bytes;
      this.#dropped += 1;
      this.#platform.log.warn("the oldest parked content is dropped, to keep what is newer", { directory: this.#drive, name: oldest.name, bytes: oldest.bytes, files: this.#files.length });
    }
  }
}

/** Everything that a drive has parked, oldest first, each with where it lay and why it lost. For an administrator; the drive may be in use. */
export async function listParked(platform: Platform, drive: string): Promise<ParkedFile[]> {
  const found: ParkedFile[] = [];
  for (const { name, bytes } of await namesOf(platform, drive)) found.push({ name, bytes, parked: await readParked(platform, drive, name) });
  return found;
}

/** By instance and count, which their names end with: the order in which they were parked. */
async function namesOf(platform: Platform, drive: string): Promise<{ name: string; bytes: number }[]> {
  const folder = `${drive}/${PARKED}`;
  const found: { name: string; bytes: number; at: readonly [number, number] }[] = [];
  for (const name of await platform.files.list(folder)) {
    const [, instance, count] = /^\d+-(\d+)-(\d+)$/.exec(name) ?? [];
    // What a crash left half written ends with ".new" and is written over in time.
    if (instance === undefined || count === undefined) continue;
    const stat = await platform.files.stat(`${folder}/${name}`);
    if (stat) found.push({ name, bytes: stat.sizeBytes, at: [Number(instance), Number(count)] });
  }
  return found.sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1]).map(({ name, bytes }) => ({ name, bytes }));
}
