import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { DRIVE_ENTRIES } from "../formation/drive.ts";
import { TEMPORARY } from "../formation/durable.ts";
import { SAVED_FILE, type Trial } from "./state.ts";

/**
 * Removes what the trial made and nothing else: a drive's directory that was there before, or is a mount point, stays, empty of
 * our files; so does whatever lay in the trial's directory before. Nothing of the trial may run.
 */
export function removeTrial(trial: Trial): void {
  for (const directory of drivesOf(trial)) {
    for (const name of DRIVE_ENTRIES) rmSync(join(directory, name), { recursive: true, force: true });
  }
  const keep = new Set(trial.saved.keep);
  for (const server of trial.everyServer) {
    removeEntries(trial, server.directory, keep);
    if (!keep.has(server.name)) removeIfEmpty(server.directory);
  }
  if (dirname(trial.storeSocket) !== trial.directory) rmSync(dirname(trial.storeSocket), { recursive: true, force: true });
  // A full disk leaves the beginnings of files that were to be written.
  const written = [trial.keyFile, trial.tokenFile, trial.reportFile, join(trial.directory, SAVED_FILE)].map((file) => `${file}${TEMPORARY}`);
  const made = [trial.storeDirectory, trial.storeSocket, trial.keyFile, trial.tokenFile, trial.tlsDirectory, trial.reportFile, ...written];
  for (const path of made) if (!keep.has(relative(trial.directory, path))) rmSync(path, { recursive: true, force: true });
  // Last, so that a wipe that was cut short can be repeated.
  rmSync(join(trial.directory, SAVED_FILE), { force: true });
  rmSync(join(trial.directory, "lock"), { force: true });
  removeIfEmpty(trial.directory);
}

function drivesOf(trial: Trial): string[] {
  return [...trial.saved.drives.map(({ directory }) => directory), ...trial.saved.added];
}

function removeEntries(trial: Trial, directory: string, keep: ReadonlySet<string>): void {
  if (!existsSync(directory)) return;
  const drives = new Set(drivesOf(trial));
  const mounted = mountPoints();
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (keep.has(relative(trial.directory, path)) || mounted.has(path)) continue;
    if (drives.has(path)) removeIfEmpty(path);
    else rmSync(path, { recursive: true, force: true });
  }
}

function removeIfEmpty(directory: string): void {
  // A mount point stays, as a drive's does.
  if (existsSync(directory) && readdirSync(directory).length === 0 && !mountPoints().has(directory)) rmdirSync(directory);
}

/** Field 5 of /proc/self/mountinfo, with its octal escapes undone (proc(5)). */
function mountPoints(): Set<string> {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return new Set(lines.flatMap((line) => line.split(" ")[4]?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))) ?? []));
}
