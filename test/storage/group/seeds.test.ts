import { describe, expect, test } from "bun:test";
import { runSeed } from "../../simulator/run.ts";

/** Random stories that always run; `bun test/simulator/simulate.ts --seconds 60` runs as many others as fit. */
const SEEDS = [2, 7, 11, 22, 47];

/** They need a second each; a busy machine may need many. */
const TEST_MS_MAX = 120_000;

describe("a random story of faults", () => {
  for (const seed of SEEDS) {
    test(`ends whole, with nothing lost and nothing read that was not there (seed ${seed})`, () => {
      expect(runSeed(seed, false, 10_000).failures).toEqual([]);
    }, TEST_MS_MAX);
  }

  test("is the same story each time", () => {
    const first = runSeed(22, false, 3000);
    const second = runSeed(22, false, 3000);
    expect(second.lines).toEqual(first.lines);
    expect(second.fingerprint).toBe(first.fingerprint);
    expect(runSeed(24, false, 3000).fingerprint).not.toBe(first.fingerprint);
  }, TEST_MS_MAX);
});
