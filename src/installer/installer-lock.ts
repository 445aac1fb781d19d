import { mkdir } from "node:fs/promises";
import { realFiles } from "../platform/files.ts";

const FOLDER = "/run/virtustor";
const LOCK = `${FOLDER}/install.lock`;

/** Runs `use` while no other process installs: tty1 and the serial line show the same installer. The kernel frees it with the process. */
export async function withInstallerLock<T>(use: () => Promise<T>): Promise<T> {
  await mkdir(FOLDER, { recursive: true, mode: 0o755 });
  const file = await realFiles().open(LOCK, { write: true, create: true });
  try {
    if (!(await file.lock())) throw new Error("An installation is running on another console of this server. Look there; nothing was changed here.");
    return await use();
  } finally {
    await file.close();
  }
}
