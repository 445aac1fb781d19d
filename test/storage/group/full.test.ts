import { describe, expect, test } from "bun:test";
import { BLOCK_BYTES } from "../../../src/base/geometry.ts";
import type { Drive } from "../../../src/storage/drive/drive.ts";
import { Space } from "../../../src/storage/space.ts";
import type { Channel, CommandResult } from "../../../src/wire/messages.ts";
import { Stage } from "./stage.ts";

const BLOCKS = 10_000;
const SMALL = BLOCKS * BLOCK_BYTES;
const LIMIT = 0.95 * SMALL;

function stageWith(small: readonly string[], factor: 1 | 2 = 1, wide = false): Stage {
  const capacity = Object.fromEntries(small.map((name) => [name, SMALL]));
  return new Stage(factor, wide ? { a: "s1", b: "s2", c: "s3" } : { a: "s1", b: "s2" }, 1, capacity);
}
function usedBytes(stage: Stage, name: string): number {
  const { drive } = stage.cluster.host(name).running ?? {};
  if (!drive) throw new Error(`${name} runs`);
  return drive.space().usedBytes;
}
function answer(stage: Stage, block: number, blocks: number, extent: number): CommandResult {
  const begun = stage.begin(stage.place(block, blocks, extent));
  stage.until(() => begun.result !== null);
  return begun.result as CommandResult;
}
/** 1 MiB after the other until one is refused; gives how many were taken. */
function fill(stage: Stage): number {
  for (let piece = 0; piece < 100; piece += 1) {
    const result = answer(stage, (piece % 4) * 256, 256, piece >> 2);
    if (result === "done") continue;
    expect(result).toBe("no-space");
    return piece;
  }
  throw new Error("it does not become full");
}
const logged = (stage: Stage, name: string): string => JSON.stringify(stage.image(name).log.last);

describe("R17, X33: a drive that is 95 % full", () => {
  for (const name of ["a", "b"])
    test(`refuses what allocates before anything is journalled anywhere, as ${name === "a" ? "primary" : "member"}`, () => {
      const stage = stageWith([name]);
      const pieces = fill(stage);
      expect(usedBytes(stage, name)).toBeLessThanOrEqual(LIMIT);
      expect(usedBytes(stage, name)).toBeGreaterThan(0.85 * SMALL);
      const before = [logged(stage, "a"), logged(stage, "b")];
      for (let i = 0; i < 5; i += 1) expect(answer(stage, (pieces % 4) * 256, 256, pieces >> 2)).toBe("no-space");
      expect([logged(stage, "a"), logged(stage, "b")]).toEqual(before);
      stage.whole();
    });

  test("takes overwrites of what is allocated, parts of blocks included, and unmaps; then there is room again", () => {
    const stage = stageWith(["b"]);
    fill(stage);
    // Whatever is left in single blocks is used up, too.
    let block = 0;
    while (answer(stage, block, 1, 80) === "done") block += 1;
    for (let piece = 0; piece < 8; piece += 1) expect(answer(stage, (piece % 4) * 256, 256, piece >> 2)).toBe("done");
    const part = stage.write({ ...stage.place(5), sector: 41, sectors: 2 });
    expect(stage.read(stage.place(5))[1]).toBe(part);
    expect(answer(stage, 0, 1, 90)).toBe("no-space");
    expect(usedBytes(stage, "b")).toBeLessThanOrEqual(LIMIT);
    stage.unmap(stage.place(0, 1024));
    stage.pass(1000);
    expect(answer(stage, 0, 256, 90)).toBe("done");
    stage.whole();
  });

  test("is not overrun by many writes at once, and all of them are answered", () => {
    const stage = stageWith(["b"]);
    const begun = Array.from({ length: 60 }, (_, piece) => stage.begin(stage.place((piece % 4) * 256, 256, piece >> 2)));
    stage.until(() => begun.every(({ result }) => result !== null));
    const results = new Set(begun.map(({ result }) => result));
    expect(results).toEqual(new Set(["done", "no-space"]));
    expect(usedBytes(stage, "b")).toBeLessThanOrEqual(LIMIT);
    expect(usedBytes(stage, "b")).toBeGreaterThan(0.85 * SMALL);
    stage.whole();
  });

  test("does not hold up the writes of a group that it has left", () => {
    const stage = stageWith(["b"]);
    fill(stage);
    stage.cluster.kill("b");
    // Until a hears that b is gone, b is full.
    stage.pass(200);
    expect(answer(stage, 0, 256, 90)).toBe("done");
    expect(stage.members()).toEqual(["a"]);
  });
});

describe("R17: a learner whose drive is full", () => {
  test("is not filled beyond the limit, holds up no write, and comes in once there is room", () => {
    const stage = stageWith(["c"], 1, true);
    for (let piece = 0; piece < 44; piece += 1) stage.write(stage.place((piece % 4) * 256, 256, piece >> 2));
    stage.cluster.plan(stage.group, ["a", "c"]);
    stage.pass(20_000);
    expect(stage.members()).toEqual(["a", "b"]);
    expect(usedBytes(stage, "c")).toBeLessThanOrEqual(LIMIT);
    for (let piece = 44; piece < 48; piece += 1) expect(answer(stage, (piece % 4) * 256, 256, piece >> 2)).toBe("done");
    stage.pass(5000);
    expect(usedBytes(stage, "c")).toBeLessThanOrEqual(LIMIT);
    for (let extent = 0; extent < 6; extent += 1) stage.unmap(stage.place(0, 1024, extent));
    stage.whole();
    expect(stage.members()).toEqual(["a", "c"]);
  });
});

test("R17: a full drive that was away comes back, since what it has need not be allocated again", () => {
  const stage = stageWith(["b"]);
  fill(stage);
  let block = 0;
  while (answer(stage, block, 1, 80) === "done") block += 1;
  stage.cluster.kill("b");
  stage.until(() => stage.members().length === 1);
  for (let piece = 0; piece < 8; piece += 1) expect(answer(stage, (piece % 4) * 256, 256, piece >> 2)).toBe("done");
  stage.cluster.start("b");
  stage.whole();
  expect(usedBytes(stage, "b")).toBeLessThanOrEqual(LIMIT);
});

describe("R17: credits", () => {
  const channel = (): Channel => ({}) as Channel;
  const driveOf = (used: () => number): Drive =>
    ({ space: () => ({ capacityBytes: SMALL, usedBytes: used() * BLOCK_BYTES, freeBytes: SMALL - used() * BLOCK_BYTES }) }) as unknown as Drive;

  test("granted to several callers are never more than there is room for in all", () => {
    let used = 0;
    const space = new Space(driveOf(() => used));
    const callers = Array.from({ length: 8 }, () => ({ channel: channel(), spent: 0 }));
    for (let round = 0; round < 200; round += 1) {
      const caller = callers[round % 8] as (typeof callers)[number];
      const { limit } = space.credits(caller.channel);
      const settle = space.take(caller.channel, limit - caller.spent);
      // Half of what was charged proves to be needed.
      used += Math.floor((limit - caller.spent) / 2);
      caller.spent = limit;
      settle();
      expect(used + callers.reduce((sum, { channel: at, spent }) => sum + space.credits(at).limit - spent, 0)).toBeLessThanOrEqual(BLOCKS * 0.95);
    }
    expect(used).toBeGreaterThan(BLOCKS * 0.9);
  });

  test("of a caller that is gone are free again", () => {
    const space = new Space(driveOf(() => 0));
    const gone = channel();
    space.credits(gone);
    const less = space.freeBlocks;
    space.closed(gone);
    expect(space.freeBlocks).toBeGreaterThan(less);
  });

  test("are waited for as long as they are not known, or something is on its way that may need less", () => {
    const space = new Space(driveOf(() => 0));
    const to = channel();
    expect(space.roomAt(null, 1)).toBe("wait");
    expect(space.roomAt(to, 1)).toBe("wait");
    space.granted(to, { limit: 10, settled: 0 });
    expect(space.roomAt(to, 10)).toBe("room");
    space.charge(to, 8);
    expect(space.roomAt(to, 3)).toBe("wait");
    space.granted(to, { limit: 10, settled: 8 });
    expect(space.roomAt(to, 3)).toBe("full");
    expect(space.roomAt(to, 2)).toBe("room");
  });
});
