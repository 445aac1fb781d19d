import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { nextSeed, simulatedSources, summarize, type Batch } from "./ledger.ts";
import { runSeed } from "./run.ts";
import type { Shape } from "./shapes.ts";

/** A second or two each; a busy machine may need many. */
const TEST_MS_MAX = 180_000;
/** More belongs into exploring, not into every run of the tests. */
const SEEDS_MAX = 100;

const seeds = readFileSync(join(import.meta.dir, "seeds.txt"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => {
    const [seed, servers, copies, minutes, ...why] = line.split(" ");
    return { seed: Number(seed), shape: { servers: Number(servers), copies: Number(copies) } as Shape, faultyMs: Number(minutes) * 60_000, why: why.join(" ") };
  });

describe("a random story of faults", () => {
  test("is told for every kept seed, and they are not too many", () => {
    expect(seeds.length).toBeGreaterThan(0);
    expect(seeds.length).toBeLessThanOrEqual(SEEDS_MAX);
    for (const { seed, shape, faultyMs } of seeds) expect([seed, shape.servers, shape.copies, faultyMs].every((given) => given > 0)).toBe(true);
  });

  for (const { seed, shape, faultyMs, why } of seeds) {
    test(`ends whole, with nothing lost and nothing read that was not there (seed ${seed}, ${shape.servers} servers, ${shape.copies} copies; ${why})`, () => {
      const { failures, operations } = runSeed(seed, { shape, faultyMs });
      expect(failures).toEqual([]);
      expect(operations).toBeGreaterThan(100);
    }, TEST_MS_MAX);
  }

  test("is the same story each time", () => {
    const first = runSeed(22, { faultyMs: 5000 });
    const second = runSeed(22, { faultyMs: 5000 });
    expect(second.lines).toEqual(first.lines);
    expect(second.fingerprint).toBe(first.fingerprint);
    expect(second.operations).toBe(first.operations);
    expect(runSeed(24, { faultyMs: 5000 }).fingerprint).not.toBe(first.fingerprint);
  }, TEST_MS_MAX);
});

describe("the ledger of stories", () => {
  test("speaks for what the simulation runs and for nothing else", () => {
    const sources = simulatedSources();
    for (const path of ["src/storage/group/group.ts", "src/volume/gateway.ts", "src/wire/codec.ts", "src/monitor/plan.ts", "src/cluster/schema.ts", "src/role/away.ts"]) expect(sources).toContain(path);
    expect(sources.filter((path) => /^src\/(management|iscsi|cli|trial|web)\//.test(path))).toEqual([]);
  });

  const code = { commit: "c1", code: "aa", simulator: "s", dirty: false };
  const batch = (more: Partial<Batch>): Batch => ({ ...code, shape: "3x2", firstSeed: 1, lastSeed: 20, seeds: 20, failed: 0, operations: 100, faults: { kill: 3 }, simulatedSeconds: 1600, date: "", ...more });

  test("counts what was told of this very code, from a clean tree, whatever the commit", () => {
    const batches = [batch({}), batch({ shape: "7x3", commit: "c2", failed: 1 }), batch({ code: "bb" }), batch({ dirty: true })];
    const { total, shapes, faults } = summarize(batches, code);
    expect(total).toMatchObject({ seeds: 40, failed: 1, operations: 200, simulatedSeconds: 3200 });
    expect(shapes.find(({ shape }) => shape === "7x3")?.seeds).toBe(20);
    expect(shapes.find(({ shape }) => shape === "5x2")?.seeds).toBe(0);
    expect(faults).toEqual({ kill: 6 });
  });
  test("tells no seed twice, also of other code", () => {
    expect(nextSeed([])).toBe(1);
    expect(nextSeed([batch({ lastSeed: 80, dirty: true }), batch({ lastSeed: 60 })])).toBe(81);
  });
});
