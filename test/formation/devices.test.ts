import { afterEach, expect } from "bun:test";
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DriveId } from "../../src/base/ids.ts";
import { devicePlaces, freeDevices, mountDrive } from "../../src/formation/devices.ts";
import { command } from "../../src/installer/command.ts";
import { realPlatform } from "../../src/platform/real.ts";
import { story } from "../scenarios/needs.ts";

const platform = realPlatform({ name: "test", logLevel: "silent" });
const GIB = 2 ** 30;
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "virtustor-devices-"));
  cleanups.push(() => Promise.resolve(rmSync(path, { recursive: true, force: true })));
  return path;
}

async function loopDevice(top: string, sizeBytes: number): Promise<string> {
  const file = join(top, `disk-${sizeBytes}`);
  writeFileSync(file, "");
  truncateSync(file, sizeBytes);
  const device = (await command(["losetup", "--find", "--show", file])).stdout.trim();
  cleanups.push(() => command(["losetup", "--detach", device]));
  return device;
}

story("a device becomes a drive: an XFS with reflink of its own, mounted again after a restart whatever it is called then", ["XFS on loop devices"], async () => {
  const top = folder();
  const device = await loopDevice(top, 2 * GIB);
  const places = devicePlaces(platform, top, ["loop"]);
  expect((await freeDevices(["loop"])).find((free) => free.device === device)).toMatchObject({ holds: "nothing", content: ["empty"] });
  expect(await places.unfit(device)).toBeNull();
  const drive = { id: "0123456789abcdef" as DriveId, clusterId: "c".repeat(32), incarnation: 1 };
  const made = await places.format(device, drive);
  cleanups.push(() => command(["umount", made.directory], { accept: [0, 1, 32] }));
  expect(existsSync(join(made.directory, "superblock"))).toBe(true);
  expect((await command(["xfs_info", made.directory])).stdout).toContain("reflink=1");
  expect(await places.unfit(device)).toContain("is in use: mounted on");
  // A format that was cut short after the mount begins anew.
  rmSync(join(made.directory, "superblock"));
  expect(await places.format(device, drive)).toEqual(made);
  await command(["umount", made.directory]);
  expect(existsSync(join(made.directory, "superblock"))).toBe(false);
  expect((await freeDevices(["loop"])).find((free) => free.device === device)).toMatchObject({ holds: "data" });
  const { directory, filesystem = "" } = made;
  await mountDrive({ directory, filesystem });
  await mountDrive({ directory, filesystem });
  expect(existsSync(join(directory, "superblock"))).toBe(true);
  await places.release(device);
  expect(await places.unfit(device)).toBeNull();
});

story("a device that is too small, and one that is not there, become no drive", ["XFS on loop devices"], async () => {
  const top = folder();
  const places = devicePlaces(platform, top, ["loop"]);
  expect(await places.unfit(await loopDevice(top, GIB / 2))).toContain("a data drive needs at least 1 GiB");
  expect(await places.unfit("/dev/nothing")).toBe("There is no drive /dev/nothing");
  await expect(mountDrive({ directory: join(top, "drives", "x"), filesystem: "76697274-7573-4000-ffff-ffffffffffff" })).rejects.toThrow("76697274-7573-4000-ffff-ffffffffffff");
});
