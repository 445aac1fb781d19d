import { copyFileSync, linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CACHE } from "../cache.ts";
import { run } from "../command.ts";

/** By this label the installer finds the medium. */
const LABEL = "VIRTUSTOR";
const BOOT = join(import.meta.dir, "../boot");

export interface IsoParts {
  readonly version: string;
  /** Name on the medium -> file. */
  readonly files: Readonly<Record<string, string>>;
  readonly out: string;
}

/**
 * The medium, for BIOS and UEFI, as CD and as USB stick. `/vs` holds the system's four files, as a slot of an installed server does,
 * and `manifest.json` with their sizes and SHA-256.
 */
export async function isoStep({ version, files, out }: IsoParts): Promise<void> {
  const tree = join(CACHE, `iso-${process.pid}`);
  rmSync(tree, { recursive: true, force: true });
  try {
    mkdirSync(join(tree, "vs"), { recursive: true });
    mkdirSync(join(tree, "boot/grub"), { recursive: true });
    const listed: Record<string, { bytes: number; sha256: string }> = {};
    for (const [name, path] of Object.entries(files)) {
      linkSync(path, join(tree, "vs", name));
      listed[name] = { bytes: Bun.file(path).size, sha256: (await run(["sha256sum", path])).slice(0, 64) };
    }
    writeFileSync(join(tree, "vs/manifest.json"), `${JSON.stringify({ product: "VirtuStor", version, files: listed }, null, 2)}\n`);
    copyFileSync(join(BOOT, "iso-grub.cfg"), join(tree, "boot/grub/grub.cfg"));
    // Beside and renamed: a machine that boots from the old one keeps it.
    const aside = `${out}.${process.pid}`;
    await run(["grub-mkrescue", "-o", aside, tree, "--locales=", "--themes=", "--fonts=", "--compress=xz", "--", "-volid", LABEL]);
    renameSync(aside, out);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
