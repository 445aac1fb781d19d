import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import type { DriveId, Instance } from "../base/ids.ts";
import type { FatalReason, Platform } from "../platform/platform.ts";
import type { ServerConfig } from "./config.ts";

/**
 * What a role process tells the supervisor that started it, through small files named after its pid. The supervisor reads them
 * after it has reaped that process, when nobody else can have its pid, and not before.
 *
 *     run/announced/<pid>-<id>.json     an instance that this process is (R18: its death may be published once it is reaped)
 *     run/announced/<pid>-failed.json   the drive whose medium failed under this process
 *     failed-drives.json                drives not to be started again until an administrator releases them; the supervisor's
 */
const instanceFile = v.object({ id: v.string(), instance: v.pipe(v.number(), v.safeInteger(), v.minValue(1)) });
const failureFile = v.object({ directory: v.string(), why: v.string() });
const failedDrive = v.object({ directory: v.string(), id: v.string(), instance: v.number(), atMs: v.number(), why: v.string() });
export type Announced = v.InferOutput<typeof instanceFile>;
export type FailedDrive = v.InferOutput<typeof failedDrive>;
export interface LastWords {
  readonly instances: readonly Announced[];
  /** Directory of the drive that failed, when the process said which. */
  readonly failedDirectory: string | null;
  /** What it said of it; "" when it said nothing. */
  readonly failedWhy: string;
}

/**
 * Tells the supervisor which drive's or gateway's instance this process is. To be called before anything outside this process
 * can learn of the instance: before it is registered in the store and before any port is opened.
 */
export function announceInstance(config: ServerConfig, who: { drive: DriveId; instance: Instance } | { gateway: Instance }): void {
  const announced: Announced = "drive" in who ? { id: who.drive, instance: who.instance } : { id: String(who.gateway), instance: who.gateway };
  writeWhole(join(announcedDirectory(config.directory), `${process.pid}-${announced.id}.json`), announced);
}

/** The platform for one drive: when its medium fails, the supervisor learns which drive of the process it was. */
export function platformOfDrive(platform: Platform, config: ServerConfig, driveIndex: number): Platform {
  const directory = config.drives[driveIndex]?.directory ?? "";
  return {
    ...platform,
    fatal(reason: FatalReason, detail: string): never {
      try {
        if (reason === "drive-failed") writeWhole(join(announcedDirectory(config.directory), `${process.pid}-failed.json`), { directory, why: detail });
      } catch (error) {
        platform.log.error("The supervisor could not be told which drive failed", { directory, error });
      }
      return platform.fatal(reason, detail);
    },
  };
}

/** For the supervisor: empties the folder, since files of processes that are not its children prove nothing. */
export function forgetAnnounced(directory: string): void {
  rmSync(announcedDirectory(directory), { recursive: true, force: true });
  mkdirSync(announcedDirectory(directory), { recursive: true, mode: 0o700 });
}

/** For the supervisor, after wait() returned for `pid`: what that process had announced. The files are gone afterwards. */
export function takeLastWords(directory: string, pid: number): LastWords {
  const folder = announcedDirectory(directory);
  const instances: Announced[] = [];
  let failedDirectory: string | null = null;
  let failedWhy = "";
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${pid}-`) || !name.endsWith(".json")) continue;
    const path = join(folder, name);
    const content: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (name === `${pid}-failed.json`) ({ directory: failedDirectory, why: failedWhy } = v.parse(failureFile, content));
    else instances.push(v.parse(instanceFile, content));
    rmSync(path);
  }
  return { instances, failedDirectory, failedWhy };
}

/** Drives that failed and were not released yet. Throws when the record cannot be read: then no drive may be started blindly. */
export function failedDrives(directory: string): FailedDrive[] {
  const path = failedDrivesFile(directory);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return [];
    throw new Error(`the record of failed drives ${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    return v.parse(v.array(failedDrive), JSON.parse(text));
  } catch (error) {
    throw new Error(`the record of failed drives ${path} is damaged: ${(error as Error).message}`, { cause: error });
  }
}

export function recordFailedDrive(directory: string, failed: FailedDrive): void {
  const others = failedDrives(directory).filter((known) => known.directory !== failed.directory);
  writeWhole(failedDrivesFile(directory), [...others, failed]);
}

/** An administrator's word: from now on it may be started again. */
export function releaseFailedDrive(directory: string, drive: string): void {
  writeWhole(failedDrivesFile(directory), failedDrives(directory).filter((known) => known.directory !== drive));
}

/** Indexes in `config.drives` that may be started. */
export function startableDrives(config: ServerConfig): number[] {
  const failed = new Set(failedDrives(config.directory).map((drive) => drive.directory));
  return config.drives.flatMap((drive, index) => (drive.removed === true || failed.has(drive.directory) ? [] : [index]));
}

function failedDrivesFile(directory: string): string {
  return join(directory, "failed-drives.json");
}

function announcedDirectory(directory: string): string {
  return join(directory, "run", "announced");
}

/** A reader sees the old content or the new, never a part. */
function writeWhole(path: string, content: unknown): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(content)}\n`, { mode: 0o600, flush: true });
  renameSync(temporary, path);
}
