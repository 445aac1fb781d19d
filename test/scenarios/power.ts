import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "./trial-under-test.ts";

/** Room for a server: its member of the store, one drive's journal of 64 MiB and the extents of a test. Sparse. */
const IMAGE_BYTES = 2 * 2 ** 30;
/** Written right before each cut, without a sync: must be lost somewhere, or the cut proves nothing. The kernel may have written one of them meanwhile. */
const UNSYNCED = "unsynced";

/**
 * Directories that lie on XFS of their own, each in an image on a loop device, whose power can be cut: what was not durable is gone.
 * A SIGKILL alone leaves everything to the kernel, which writes it in its own time.
 */
export class PowerDomain {
  readonly #images: string;
  #mounts: { readonly image: string; readonly directory: string }[] = [];

  private constructor(images: string) {
    this.#images = images;
  }

  static async make(): Promise<PowerDomain> {
    const power = new PowerDomain(await mkdtemp(join(tmpdir(), "virtustor-power-")));
    process.off("exit", abandon).once("exit", abandon);
    made.add(power);
    return power;
  }

  /** Makes `directory` the root of an XFS. */
  async mount(directory: string, bytes = IMAGE_BYTES): Promise<void> {
    const image = join(this.#images, `${this.#mounts.length}.img`);
    await must("truncate", "-s", String(bytes), image);
    await must("mkfs.xfs", "-q", image);
    await mkdir(directory, { recursive: true });
    await must("mount", "-o", "loop", image, directory);
    this.#mounts.push({ image, directory });
  }

  /** For a test that is told to end: nothing may be awaited any more. */
  abandon(): void {
    for (const { directory } of this.#mounts) Bun.spawnSync(["umount", "--lazy", directory], { stderr: "ignore" });
    rmSync(this.#images, { recursive: true, force: true });
  }

  /** The moment of the power cut: nothing gets to the disks any more, the file system's own log included. Processes must be dead by then. */
  async cut(): Promise<void> {
    await Promise.all(
      this.#mounts.map(async ({ directory }) => {
        await writeFile(join(directory, UNSYNCED), "written, not synced");
        await must("xfs_io", "-x", "-c", "shutdown", directory);
      }),
    );
  }

  /** Power is back: each is mounted anew, which replays its log. */
  async restore(): Promise<void> {
    let lost = 0;
    for (const { image, directory } of this.#mounts) {
      await unmount(directory);
      await must("mount", "-o", "loop", image, directory);
      const canary = await stat(join(directory, UNSYNCED)).catch(() => null);
      if (canary === null || canary.size === 0) lost += 1;
      await rm(join(directory, UNSYNCED), { force: true });
    }
    if (lost === 0) throw new Error("the power cut cut nothing off: what was never synced is there, on all disks");
  }

  /** Disks that were made to fail work again. No process may use them. */
  async mend(): Promise<void> {
    for (const { image, directory } of this.#mounts) {
      await unmount(directory);
      await must("mount", "-o", "loop", image, directory);
    }
  }

  /** Never throws: it stands in `finally`. No process may use the directories any more. */
  async remove(): Promise<void> {
    for (const { directory } of this.#mounts) await unmount(directory).catch((error: unknown) => console.log(`# ${directory} stays mounted: ${String(error)}`));
    this.#mounts = [];
    made.delete(this);
    await rm(this.#images, { recursive: true, force: true });
  }
}

const made = new Set<PowerDomain>();
function abandon(): void {
  for (const power of made) power.abandon();
}

/** A process that was killed may take a moment to let go of its files. */
const UNMOUNT_TRIES = 50;
async function unmount(directory: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { code, err } = await runProgram(["umount", directory]);
    if (code === 0 || err.includes("not mounted")) return;
    if (tries === UNMOUNT_TRIES) throw new Error(`umount ${directory}: ${err.trim()}`);
    await Bun.sleep(100);
  }
}

async function must(...command: string[]): Promise<void> {
  const { code, out, err } = await runProgram(command);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${out}${err}`);
}
