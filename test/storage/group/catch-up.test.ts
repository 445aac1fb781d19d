import { describe, expect, test } from "bun:test";
import { BLOCK_BYTES } from "../../../src/base/geometry.ts";
import type { Keeping } from "../../../src/storage/drive/image.ts";
import { Chance } from "../../simulator/chance.ts";
import { countCopied, FORGETS_ALL, FORGETS_LOG, keep, KEEPING } from "./recovery-stage.ts";
import { Stage } from "./stage.ts";

/** They need a second or two each; a busy machine may need many. */
const TEST_MS_MAX = 120_000;

/** 4 KiB writes to random blocks until `ms` have passed, some at a time; gives the distinct blocks written. */
function load(stage: Stage, chance: Chance, ms: number, extents: number, written = new Set<string>()): Set<string> {
  const endMs = stage.cluster.time.nowMs() + ms;
  let open = 0;
  const next = (): void => {
    const [block, extent] = [chance.below(1024), chance.below(extents)];
    written.add(`${extent}.${block}`);
    open += 1;
    stage.gateway.write(stage.place(block, 1, extent), () => {
      open -= 1;
      if (stage.cluster.time.nowMs() < endMs) next();
    });
  };
  for (let i = 0; i < 2; i += 1) next();
  stage.pass(ms);
  stage.until(() => open === 0);
  return written;
}

describe("a copy that was away under random writes of 4 KiB costs what was written meanwhile", () => {
  const stories: { readonly name: string; readonly keeping: Keeping; readonly awayMs: number }[] = [
    { name: "by the log, when it was away for moments", keeping: KEEPING, awayMs: 300 },
    { name: "by the map of changes, when the log has let go of them", keeping: KEEPING, awayMs: 14_000 },
    { name: "by the map of changes, when the log is very short", keeping: FORGETS_LOG, awayMs: 3000 },
    { name: "by digests of blocks, when the map of changes ran over its bound", keeping: FORGETS_ALL, awayMs: 3000 },
  ];
  for (const { name, keeping, awayMs } of stories) {
    test(name, () => {
      const stage = new Stage();
      const chance = new Chance(7, "load");
      keep(stage, keeping);
      for (let extent = 0; extent < 12; extent += 1) for (let first = 0; first < 1024; first += 256) stage.write(stage.place(first, 256, extent));
      load(stage, chance, 2000, 12);
      stage.cluster.kill("b");
      const written = load(stage, chance, awayMs + 2500, 12);
      const copied = countCopied(stage);
      stage.cluster.start("b");
      load(stage, chance, 500, 12, written);
      stage.whole();
      const ratio = copied() / (written.size * BLOCK_BYTES);
      console.log(`away for ${awayMs / 1000} s: ${written.size} blocks written, ${copied() / BLOCK_BYTES} copied, ratio ${ratio.toFixed(3)}; ${stage.logged("bringing a learner into sync").at(-1)?.slice(10)}`);
      expect(written.size).toBeGreaterThan(300);
      expect(copied()).toBeGreaterThan(0);
      expect(ratio).toBeLessThanOrEqual(1.5);
      expect(stage.logged("bringing a learner into sync").at(-1)?.includes("manifests")).toBe(keeping === FORGETS_ALL);
    }, TEST_MS_MAX);
  }
});
