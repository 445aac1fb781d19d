import { test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { findProgram } from "../../src/server/etcd-member.ts";
import { note, SCENARIO_MS } from "./trial-under-test.ts";

/** What a story takes from the machine beyond the executable. */
export type Need = "network namespaces" | "XFS on loop devices" | "etcd";

/** A test that needs more than others. Where it cannot run it fails when CI=true, and is otherwise skipped aloud. */
export function story(name: string, needs: readonly Need[], run: () => Promise<void>): void {
  const missing = needs.map(lacking).find((text) => text !== null) ?? null;
  if (missing === null) return test(name, run, SCENARIO_MS);
  const refusal = `this machine cannot tell the story "${name}": ${missing}`;
  if (process.env["CI"] === "true") {
    return test(name, () => {
      throw new Error(refusal);
    });
  }
  note(`skipped: ${refusal}`);
  test.skipIf(true)(name, run);
}

/** Null when the machine has it, else what to do about it. */
function lacking(need: Need): string | null {
  switch (need) {
    case "etcd":
      return withoutProgram("etcd", "etcd-server");
    case "network namespaces":
      return withoutRoot("making network namespaces") ?? withoutProgram("ip", "iproute2") ?? withoutNamespaces();
    case "XFS on loop devices":
      return withoutRoot("mounting") ?? withoutProgram("mkfs.xfs", "xfsprogs") ?? withoutProgram("xfs_io", "xfsprogs") ?? withoutXfs();
  }
}

function withoutRoot(doing: string): string | null {
  return process.getuid?.() === 0 ? null : `${doing} needs root; run the tests as root`;
}

function withoutProgram(program: string, debianPackage: string): string | null {
  return findProgram(program) === null ? `the program ${program} is not installed (Debian package ${debianPackage})` : null;
}

function withoutNamespaces(): string | null {
  const made = Bun.spawnSync(["unshare", "--net", "ip", "link", "add", "probe", "type", "bridge"], { stderr: "pipe" });
  return made.exitCode === 0 ? null : `network namespaces and bridges cannot be made here: ${made.stderr.toString().trim()}`;
}

function withoutXfs(): string | null {
  if (!existsSync("/dev/loop-control")) return "there are no loop devices (/dev/loop-control); load the kernel's module loop";
  const loaded = (): boolean => readFileSync("/proc/filesystems", "utf8").includes("\txfs\n");
  if (!loaded()) Bun.spawnSync(["modprobe", "xfs"], { stderr: "ignore" });
  return loaded() ? null : "the kernel has no XFS; load its module xfs";
}
