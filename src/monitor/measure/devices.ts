import * as v from "valibot";
import type { Commands } from "../../platform/command.ts";

/** The disk under a directory. */
export interface Device {
  /** "/dev/sdb". */
  readonly path: string;
  /** "sdb", as the kernel's log and counters have it. */
  readonly name: string;
  readonly model: string | null;
  readonly serial: string | null;
  readonly rotational: boolean | null;
  /** A disk of its own, which may have SMART; a loop device has none. */
  readonly disk: boolean;
}

const COMMAND_MS = 10_000;
const mounts = v.object({ filesystems: v.array(v.object({ source: v.string() })) });
interface Block {
  readonly name: string;
  readonly path: string;
  readonly type: string;
  readonly model?: string | null | undefined;
  readonly serial?: string | null | undefined;
  readonly rota?: boolean | null | undefined;
  readonly children?: readonly Block[] | undefined;
}
const block: v.GenericSchema<unknown, Block> = v.object({
  name: v.string(),
  path: v.string(),
  type: v.string(),
  model: v.nullish(v.string()),
  serial: v.nullish(v.string()),
  rota: v.nullish(v.boolean()),
  children: v.optional(v.array(v.lazy(() => block))),
});
const blocks = v.object({ blockdevices: v.array(block) });

/** Null when the directory lies on no block device that can be told (a network or memory file system, a container). */
export async function deviceUnder(commands: Commands, directory: string): Promise<Device | null> {
  const mounted = parsed(mounts, await commands.run(["findmnt", "--json", "--output", "SOURCE", "--target", directory], COMMAND_MS));
  const source = mounted?.filesystems[0]?.source.replace(/\[.*$/, "");
  if (source === undefined || !source.startsWith("/dev/")) return null;
  const found = parsed(blocks, await commands.run(["lsblk", "--json", "--inverse", "--output", "NAME,PATH,TYPE,MODEL,SERIAL,ROTA", source], COMMAND_MS));
  const top = found?.blockdevices[0];
  if (top === undefined) return null;
  const disk = diskUnder(top);
  return { path: disk.path, name: disk.name, model: text(disk.model), serial: text(disk.serial), rotational: disk.rota ?? null, disk: disk.type === "disk" };
}

function diskUnder(one: Block): Block {
  const [below] = one.children ?? [];
  return below === undefined ? one : diskUnder(below);
}

function text(value: string | null | undefined): string | null {
  const trimmed = value?.trim() ?? "";
  return trimmed === "" ? null : trimmed;
}

function parsed<T>(schema: v.GenericSchema<unknown, T>, outcome: Awaited<ReturnType<Commands["run"]>>): T | null {
  if (outcome.outcome !== "ended" || outcome.exitCode !== 0) return null;
  try {
    const result = v.safeParse(schema, JSON.parse(outcome.stdout));
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}

/** Requests and their time from /sys/class/block/<name>/stat (kernel: Documentation/block/stat.rst). */
export interface BlockCounts {
  readonly requests: number;
  /** Sum over all requests, milliseconds. */
  readonly ticksMs: number;
}
export function parseBlockStat(line: string): BlockCounts | null {
  const fields = line.trim().split(/\s+/).map(Number);
  const [reads, , , readTicks, writes, , , writeTicks] = fields;
  if (reads === undefined || readTicks === undefined || writes === undefined || writeTicks === undefined || fields.some(Number.isNaN)) return null;
  return { requests: reads + writes, ticksMs: readTicks + writeTicks };
}

/** A mean of fewer requests says nothing. */
const REQUESTS_MIN = 20;
export function meanLatencyMs(before: BlockCounts | undefined, now: BlockCounts | null): number | null {
  if (before === undefined || now === null) return null;
  const requests = now.requests - before.requests;
  return requests < REQUESTS_MIN ? null : Math.max(0, (now.ticksMs - before.ticksMs) / requests);
}

/**
 * I/O errors that the kernel's log tells of each device since `sinceSeconds` after the boot: lines of `dmesg --raw` like
 * "<3>[  123.456789] I/O error, dev sdb, sector 2048 op 0x0:(READ) ...".
 */
export function countIoErrors(log: string, sinceSeconds: number): Map<string, number> {
  const errors = new Map<string, number>();
  for (const match of log.matchAll(/^(?:<\d+>)?\[ *(\d+\.\d+)\].*I\/O error, dev ([a-z0-9]+),/gm)) {
    const [, seconds = "0", device = ""] = match;
    if (Number(seconds) >= sinceSeconds) errors.set(device, (errors.get(device) ?? 0) + 1);
  }
  return errors;
}
