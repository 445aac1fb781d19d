import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SLOT_FILES } from "../../src/installer/medium.ts";
import type { BootSupport } from "../../src/installer/steps.ts";

/** A sparse file as a drive. Its partitions appear through `partx`, which every kernel with loop devices allows. */
export interface LoopDrive {
  readonly device: string;
  readonly image: string;
  close(): void;
}

/** The kernel of a test machine may have no FAT, and grub-install wants one for UEFI: that pair is tested in virtual machines. */
export const BIOS_ON_EXT4: BootSupport = { espFilesystem: "ext4", targets: ["i386-pc"] };

export function run(...argv: string[]): string {
  const ended = Bun.spawnSync(argv, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  if (ended.exitCode !== 0) throw new Error(`${argv.join(" ")}: ${ended.stderr.toString()}`);
  return ended.stdout.toString();
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "virtustor-installer-"));
}

export function loopDrive(folder: string, sizeBytes: number): LoopDrive {
  const image = join(folder, `drive-${randomBytes(4).toString("hex")}.img`);
  writeFileSync(image, "");
  truncateSync(image, sizeBytes);
  const device = run("losetup", "--find", "--show", image).trim();
  return {
    device,
    image,
    close() {
      run("sh", "-c", `partx --delete ${device} 2>/dev/null; losetup -d ${device}`);
      rmSync(image);
    },
  };
}

/** A folder with the files that a medium has: random content, right checksums. */
export function medium(folder: string, version = "1.2.3"): string {
  const directory = mkdtempSync(join(folder, "medium-"));
  const files = Object.fromEntries(
    SLOT_FILES.map((name, index) => {
      const content = randomBytes((index + 1) * 1_200_001);
      writeFileSync(join(directory, name), content);
      return [name, { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") }];
    }),
  );
  writeFileSync(join(directory, "disk-grub.cfg"), `menuentry "VirtuStor ${version}" {\n  true\n}\n`);
  writeFileSync(join(directory, "manifest.json"), JSON.stringify({ product: "VirtuStor", version, files }));
  return directory;
}

/** Mounts a partition of a drive, read-only, and runs `use` with the folder. */
export function look<T>(folder: string, device: string, use: (at: string) => T, options = "ro"): T {
  const at = mkdtempSync(join(folder, "look-"));
  run("mount", "-o", options, device, at);
  try {
    return use(at);
  } finally {
    run("umount", at);
  }
}
