import { describe, expect, test } from "bun:test";
import { runSeed } from "../../simulator/run.ts";

/** Random stories that always run; `npm run simulate` tells others. */
const SEEDS = [2, 7, 11, 22, 47];

/** They need a second each; a busy machine may need many. */
const TEST_MS_MAX = 120_000;

describe("a random story of faults", () => {
  for (const seed of SEEDS) {
    test(`ends whole, with nothing lost and nothing read that was not there (seed ${seed})`, () => {
      expect(runSeed(seed, { faultyMs: 10_000 }).failures).toEqual([]);
    }, TEST_MS_MAX);
  }

  test("is the same story each time", () => {
    const first = runSeed(22, { faultyMs: 3000 });
    const second = runSeed(22, { faultyMs: 3000 });
    expect(second.lines).toEqual(first.lines);
    expect(second.fingerprint).toBe(first.fingerprint);
    expect(runSeed(24, { faultyMs: 3000 }).fingerprint).not.toBe(first.fingerprint);
  }, TEST_MS_MAX);
});
