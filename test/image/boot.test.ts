import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VERSION } from "../../src/base/version.ts";
import { note } from "../note.ts";
import { Machine } from "../system/image/machine.ts";

const TOP = join(import.meta.dir, "../..");
const ISO = join(TOP, `dist/virtustor-${VERSION}.iso`);
/** Debian's packages are fetched, unpacked and compressed; with a filled cache it takes seconds. */
const BUILD_MS_MAX = 600_000;
/** All of the processor is emulated. */
const BOOT_MS_MAX = 400_000;

const directory = mkdtempSync(join(tmpdir(), "virtustor-image-"));
const machines: Machine[] = [];
afterAll(async () => {
  for (const machine of machines) await machine.kill();
  rmSync(directory, { recursive: true, force: true });
});

function machine(name: string, options: { cpu?: string } = {}): Machine {
  const made = new Machine({ name, directory, firmware: "bios", iso: ISO, drives: [], forwards: {}, wire: null, ...options });
  machines.push(made);
  return made;
}

describe("the image", () => {
  test("is made from the sources, and no larger than a CD of 350 MiB", async () => {
    const began = performance.now();
    const { exitCode, stderr } = Bun.spawnSync([join(TOP, "scripts/image.sh")], { cwd: TOP, stdin: "ignore" });
    expect({ exitCode, said: exitCode === 0 ? "" : stderr.toString().slice(-3_000) }).toEqual({ exitCode: 0, said: "" });
    note(`the image has ${(Bun.file(ISO).size / 2 ** 20).toFixed(0)} MiB and was made in ${((performance.now() - began) / 1000).toFixed(0)} s`);
    expect(Bun.file(ISO).size).toBeGreaterThan(100 * 2 ** 20);
    expect(Bun.file(ISO).size).toBeLessThan(350 * 2 ** 20);
  }, BUILD_MS_MAX);

  test("starts a machine as far as the installer on its console", async () => {
    const one = machine("boots");
    const began = performance.now();
    await one.start("medium");
    await one.expect(/Install VirtuStor/, BOOT_MS_MAX);
    note(`power-on to console in ${((performance.now() - began) / 1000).toFixed(0)} s`);
    expect(one.screen.text).toContain("Nothing on its drives");
    await one.kill();
  }, BOOT_MS_MAX + 60_000);

  test("tells an old processor's owner plainly that it is too old", async () => {
    const old = machine("old", { cpu: "core2duo" });
    await old.start("medium");
    await old.expect(/cannot run on this processor[\s\S]*sse4_2[\s\S]*Nothing was changed/, BOOT_MS_MAX);
    await old.kill();
  }, BOOT_MS_MAX + 60_000);
});
