import { describe, expect, test } from "bun:test";
import { note } from "../../note.ts";
import { hunt } from "./broken-tree.ts";
import { CANARIES } from "./canaries.ts";

const FIRST_SEED = 1;
/** Many seeds on a busy machine. */
const TEST_MS_MAX = 600_000;

describe("the simulator notices that", () => {
  for (const canary of CANARIES) {
    test(canary.name, async () => {
      const caught = await hunt(canary, FIRST_SEED);
      note(`canary "${canary.name}": ${caught ? `caught by seed ${caught.seed} of at most ${canary.seedsMax}: ${caught.failure.slice(0, 160)}` : "not caught"}`);
      expect(caught, `${canary.breaks}; nobody noticed`).not.toBeNull();
    }, TEST_MS_MAX);
  }
});
