import { mkdir, mkdtemp, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { command } from "./command.ts";

/** Everything that the installer mounts lies below it, so that a run that was killed can be cleared away by the next. */
export const MOUNTS = "/run/virtustor/install";

export interface Mount {
  readonly device: string;
  readonly type: string;
  readonly options: string;
}

/** Mounts, runs `use` with the mount point, and unmounts whatever happens. */
export async function withMount<T>(mount: Mount, use: (at: string) => Promise<T>): Promise<T> {
  await mkdir(MOUNTS, { recursive: true, mode: 0o700 });
  const at = await mkdtemp(join(MOUNTS, "m-"));
  try {
    await command(["mount", "-t", mount.type, "-o", mount.options, mount.device, at]);
    try {
      return await use(at);
    } finally {
      await unmount(at);
    }
  } finally {
    // Only the empty directory: should the filesystem still be there, it is left alone.
    await rmdir(at).catch(() => undefined);
  }
}

/** The installer on another console looks into drives for some milliseconds at a time. */
const UNMOUNT_TRIES = 50;
const UNMOUNT_AGAIN_MS = 100;

async function unmount(at: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { exitCode } = await command(["umount", at], { accept: tries < UNMOUNT_TRIES ? [0, 1, 32] : [0] });
    if (exitCode === 0) return;
    // It may be gone already.
    if (!(await mountsBelow()).includes(at)) return;
    await new Promise((resolve) => setTimeout(resolve, UNMOUNT_AGAIN_MS));
  }
}

async function mountsBelow(): Promise<string[]> {
  const table = await readFile("/proc/self/mounts", "utf8");
  return table.split("\n").map((line) => line.split(" ")[1] ?? "").filter((at) => at.startsWith(`${MOUNTS}/`));
}

/** Unmounts what an installer left that was killed. Only the one that holds the lock may call it. */
export async function clearMounts(): Promise<void> {
  for (const at of (await mountsBelow()).reverse()) {
    await unmount(at);
    await rmdir(at).catch(() => undefined);
  }
}
