import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cached, hash, hashOfFolder } from "../cache.ts";
import { shell } from "../command.ts";
import { UNIT_LINKS } from "../units.ts";

const ROOTFS = join(import.meta.dir, "../rootfs");
const DISK_GRUB = join(import.meta.dir, "../boot/disk-grub.cfg");

export interface AppParts {
  /** The compiled executable. */
  readonly executable: string;
  readonly version: string;
  readonly release: boolean;
}

/** `app.cpio`: the product as a layer of its own over the base, in seconds: the executable, its units and the system's few own files. */
export async function appStep(parts: AppParts): Promise<string> {
  const executable = hash(new Uint8Array(await Bun.file(parts.executable).arrayBuffer()));
  const files = hash(await hashOfFolder(ROOTFS), await Bun.file(DISK_GRUB).text(), JSON.stringify(UNIT_LINKS));
  return cached({
    name: "app",
    inputs: { executable, files, version: parts.version, release: parts.release },
    source: import.meta.path,
    make: async (into) => {
      const tree = join(into, "tree");
      // Permissions of files are git's, which knows of executable or not, and nothing of who may write.
      await shell('cp -rL "$1" "$2"; chmod -R u=rwX,go=rX "$2"', [ROOTFS, tree]);
      for (const [path, target] of Object.entries(UNIT_LINKS)) await link(join(tree, path), target);
      install(parts.executable, join(tree, "usr/bin/virtustor"), 0o755);
      install(DISK_GRUB, join(tree, "usr/share/virtustor/disk-grub.cfg"), 0o644);
      writeFileSync(join(tree, "usr/lib/os-release"), osRelease(parts.version));
      await link(join(tree, "etc/os-release"), "../usr/lib/os-release");
      await shell('mksquashfs "$1/tree" "$1/app.sqf" -comp zstd -Xcompression-level "$2" -b 256K -noappend -quiet -no-progress -all-root -all-time 0 -mkfs-time 0', [into, parts.release ? "15" : "3"]);
      await shell('cd "$1"; echo app.sqf | cpio -o -H newc --quiet -R 0:0 > app.cpio; rm -rf tree app.sqf', [into]);
    },
  });
}

function install(from: string, to: string, mode: number): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}

async function link(path: string, target: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  await shell('ln -sfn "$2" "$1"', [path, target]);
}

function osRelease(version: string): string {
  const fields = { PRETTY_NAME: `VirtuStor ${version}`, NAME: "VirtuStor", VERSION_ID: version, VERSION: version, ID: "virtustor", ID_LIKE: "debian" };
  return Object.entries(fields).map(([name, value]) => `${name}="${value}"\n`).join("");
}
