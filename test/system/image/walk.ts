import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { run } from "../../../image/command.ts";
import { VERSION } from "../../../src/base/version.ts";
import { create, Hands, install, join, SLOW_MS } from "./keystrokes.ts";
import { Machine } from "./machine.ts";

/**
 * The whole walk: three machines boot the medium, are installed by keystrokes on the serial console, start from their drives, and
 * form a cluster. `--keep` leaves the folder with drives, serial logs and photographs of the screens.
 */
const TOP = path(import.meta.dir, "../../..");
const NAMES = ["server-1", "server-2", "server-3"] as const;
const PASSWORD = "three-servers";
const keep = process.argv.includes("--keep");
const directory = mkdtempSync(path(tmpdir(), "virtustor-walk-"));
const wirePort = 20_000 + (process.pid % 20_000);
const began = performance.now();
const hands: Hands[] = [];

try {
  for (const [index, name] of NAMES.entries()) {
    const drives = await Promise.all([["system", "20G"], ["data", "12G"]].map(([kind = "", size = ""]) => drive(name, kind, size)));
    hands.push(
      new Hands(
        new Machine({
          name, directory, drives,
          firmware: index === 2 ? "uefi" : "bios",
          iso: path(TOP, `dist/virtustor-${VERSION}.iso`),
          forwards: {},
          wire: { port: wirePort, mac: `52:54:00:09:00:0${index + 1}` },
        }),
      ),
    );
  }
  for (const each of hands) {
    await each.machine.start("medium");
    await install(each);
    say(`${each.machine.name} is installed (${each.machine.options.firmware}), after ${each.count} keystrokes`);
    await each.machine.start("drive");
  }
  const [first, ...others] = hands;
  if (first === undefined) throw new Error("there is a first server");
  const words = await create(first, address(0), PASSWORD);
  say(`${first.machine.name} has formed the cluster, after ${first.count} keystrokes`);
  for (const [index, each] of others.entries()) {
    await join(each, each.machine.name, { own: address(index + 1), first: address(0) }, words);
    say(`${each.machine.name} has joined, after ${each.count} keystrokes`);
  }
  await first.sees(/Healthy/, SLOW_MS);
  say("the cluster is healthy");
  for (const each of hands) await each.machine.photograph("healthy");
} catch (error) {
  say(`not passed: ${(error as Error).message}`);
  for (const { machine } of hands) if (machine.running) say(`${machine.name}:\n${machine.screen.text}`);
  process.exitCode = 1;
} finally {
  for (const { machine } of hands) await machine.kill();
  if (keep) say(`kept: ${directory}`);
  else rmSync(directory, { recursive: true, force: true });
}

async function drive(name: string, kind: string, size: string): Promise<{ path: string; serial: string }> {
  const file = path(directory, `${name}-${kind}.qcow2`);
  await run(["qemu-img", "create", "-q", "-f", "qcow2", file, size]);
  return { path: file, serial: `${kind.toUpperCase()}-${name.slice(-1)}` };
}
function address(index: number): string {
  return `10.77.0.${index + 1}`;
}
function say(text: string): void {
  console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}`);
}
