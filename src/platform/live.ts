import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** The boot loader of the installation medium puts this word on the kernel's command line. */
const LIVE_WORD = "vs.live";
const CHOSEN = "/run/virtustor/looking-around";

/** What every screen must say while VirtuStor runs from memory. */
export const LIVE_NOTICE = "Running from the medium: nothing is kept after a restart. Not for data.";

/** True on a machine that was started from the installation medium. */
export async function isLive(): Promise<boolean> {
  return (await readFile("/proc/cmdline", "utf8").catch(() => "")).split(/\s+/).includes(LIVE_WORD);
}

/**
 * What the console shows on this machine: "installed" for a server that runs from its drive; on the medium "install" until
 * somebody, on whichever console, has chosen to look around without installing.
 */
export async function liveMode(): Promise<"installed" | "install" | "look"> {
  if (!(await isLive())) return "installed";
  return existsSync(CHOSEN) ? "look" : "install";
}

/** Remembered until the restart: both consoles show the same. */
export async function beginLookingAround(): Promise<void> {
  await mkdir(dirname(CHOSEN), { recursive: true, mode: 0o755 });
  await writeFile(CHOSEN, "");
}
