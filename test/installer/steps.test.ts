import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { realFiles } from "../../src/platform/files.ts";
import { machineIdIn } from "../../src/installer/boot-config.ts";
import { readDrives } from "../../src/installer/machine.ts";
import { STEPS } from "../../src/installer/steps.ts";
import { look, loopDrive, medium, run, temporaryFolder, type LoopDrive } from "./loop-drive.ts";

const DRIVE_BYTES = 16 * 2 ** 30;
let folder: string;
let source: string;
let drive: LoopDrive;
beforeAll(() => {
  folder = temporaryFolder();
  source = medium(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Line {
  readonly name?: string;
  readonly result?: string;
  readonly sentence?: string;
}
interface Attempt {
  readonly lines: readonly Line[];
  readonly killed: boolean;
}

/** Runs the installer as a process, which is killed when the step `killAt` begins, or has done `fraction` of its work. */
async function installer(device: string, from: string, mode: "erase" | "keep" = "erase", killAt: readonly string[] = []): Promise<Attempt> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "install-process.ts"), device, from, mode, ...killAt], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  await child.exited;
  return { lines: text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Line), killed: child.signalCode === "SIGKILL" };
}

/** What GRUB would read from the drive; null when there is nothing to read. */
function grubConfig(device: string): string | null {
  run("sh", "-c", `partx --update ${device} 2>/dev/null || true`);
  if (!existsSync(`${device}p2`)) return null;
  try {
    return look(folder, `${device}p2`, (at) => (existsSync(join(at, "grub/grub.cfg")) ? readFileSync(join(at, "grub/grub.cfg"), "utf8") : null));
  } catch {
    return null;
  }
}
const machineId = (device: string): string => look(folder, `${device}p2`, (at) => machineIdIn(readFileSync(join(at, "grub/grubenv"), "utf8")) ?? "none");
const starts = (device: string): boolean => grubConfig(device)?.includes("menuentry") === true;

describe("an installation", () => {
  beforeAll(() => (drive = loopDrive(folder, DRIVE_BYTES)));
  afterAll(() => drive.close());

  test("makes a drive with a boot loader, a slot whose files are those of the medium, and an empty state partition", async () => {
    const done = await installer(drive.device, source);
    expect(done.lines.at(-1)).toEqual({ result: "installed", device: drive.device, version: "1.2.3" } as Line);
    expect(starts(drive.device)).toBe(true);
    // The first sector is GRUB's: it begins with a jump.
    expect(run("sh", "-c", `head -c 1 ${drive.device} | od -An -tx1`).trim()).toBe("eb");
    look(folder, `${drive.device}p3`, (at) => {
      expect(readdirSync(at).sort()).toEqual(["app.cpio", "base.cpio", "initrd.img", "lost+found", "manifest.json", "vmlinuz"]);
      for (const name of ["app.cpio", "vmlinuz", "manifest.json"]) expect(readFileSync(join(at, name)).equals(readFileSync(join(source, name)))).toBe(true);
    });
    look(folder, `${drive.device}p5`, (at) => expect(readdirSync(at)).toEqual(["lost+found"]));
    look(folder, `${drive.device}p2`, (at) => {
      const environment = readFileSync(join(at, "grub/grubenv"), "utf8");
      expect(environment.length).toBe(1024);
      expect(environment).toStartWith("# GRUB Environment Block\nslot=a\nmachine_id=");
      expect(run("grub-editenv", join(at, "grub/grubenv"), "list")).toStartWith("slot=a\n");
    });
    expect(grubConfig(drive.device)).toBe('menuentry "VirtuStor 1.2.3" {\n  true\n}\n');
    expect(machineId(drive.device)).toMatch(/^[0-9a-f]{32}$/);
  });

  test("leaves nothing mounted", () => expect(run("cat", "/proc/self/mounts")).not.toContain(drive.device));

  test("over an earlier one keeps the state when asked to", async () => {
    look(folder, `${drive.device}p5`, (at) => {
      writeFileSync(join(at, "server.json"), "mine");
      mkdirSync(join(at, "virtustor"));
      writeFileSync(join(at, "virtustor/server.json"), JSON.stringify({ name: "server-7" }));
    }, "rw");
    const found = (await readDrives(["loop"])).find(({ device }) => device === drive.device);
    expect(found).toMatchObject({ holds: "system", refusal: null });
    expect(found?.content).toContain("the VirtuStor system of server-7");
    const before = machineId(drive.device);
    const newer = medium(folder, "1.3.0");
    const done = await installer(drive.device, newer, "keep");
    expect(done.lines.at(-1)).toMatchObject({ result: "installed", version: "1.3.0" });
    expect(look(folder, `${drive.device}p5`, (at) => readFileSync(join(at, "server.json"), "utf8"))).toBe("mine");
    expect(machineId(drive.device)).toBe(before);
  });

  test("that keeps the state and is cut off starts nothing, and keeps it when done again", async () => {
    const before = machineId(drive.device);
    const cut = await installer(drive.device, source, "keep", ["copy", "0.5"]);
    expect(cut.killed).toBe(true);
    expect(starts(drive.device)).toBe(false);
    expect(grubConfig(drive.device)).toContain("was not finished");
    expect((await installer(drive.device, source, "keep")).lines.at(-1)?.result).toBe("installed");
    expect(machineId(drive.device)).toBe(before);
    expect(look(folder, `${drive.device}p5`, (at) => readFileSync(join(at, "server.json"), "utf8"))).toBe("mine");
  });

  test("from a damaged medium is refused before anything is changed", async () => {
    const damaged = medium(folder);
    const content = readFileSync(join(damaged, "base.cpio"));
    content[1000] = (content[1000] ?? 0) ^ 1;
    writeFileSync(join(damaged, "base.cpio"), content);
    const refused = await installer(drive.device, damaged);
    expect(refused.lines.at(-1)?.sentence).toBe("Checking the installation medium failed. base.cpio on the installation medium does not have the content that it should have. Write the ISO to the medium again; nothing was changed.");
    truncateSync(join(damaged, "base.cpio"), 1000);
    expect((await installer(drive.device, damaged)).lines.at(-1)?.sentence).toContain("the medium is damaged");
    expect(starts(drive.device)).toBe(true);
    expect(look(folder, `${drive.device}p5`, (at) => existsSync(join(at, "server.json")))).toBe(true);
  });

  test("is refused while another one runs", async () => {
    const lock = await realFiles().open("/run/virtustor/install.lock", { write: true });
    expect(await lock.lock()).toBe(true);
    expect((await installer(drive.device, source, "keep")).lines.at(-1)?.sentence).toContain("An installation is running on another console");
    await lock.close();
    expect(starts(drive.device)).toBe(true);
  });
});

describe("an installation that is cut off", () => {
  // A drive that starts an older system is the harder case, and a finished reinstallation is one again.
  beforeAll(async () => {
    drive = loopDrive(folder, DRIVE_BYTES);
    await installer(drive.device, source);
  });
  afterAll(() => drive.close());
  const moments = [...STEPS.slice(2).map(({ name }) => [name]), ["copy", "0.5"], ["verify", "0.5"]];
  for (const moment of moments) {
    test(`at ${moment.join(" ")} leaves a drive that starts nothing, and the next one succeeds`, async () => {
      expect(starts(drive.device)).toBe(true);
      expect((await installer(drive.device, source, "erase", moment)).killed).toBe(true);
      expect(starts(drive.device)).toBe(false);
      expect((await installer(drive.device, source)).lines.at(-1)?.result).toBe("installed");
    });
  }
});
