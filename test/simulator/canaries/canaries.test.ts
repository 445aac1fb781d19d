import { describe, expect, test } from "bun:test";
import { note } from "../../note.ts";
import { edited, hunt, type Outcome } from "./broken-tree.ts";
import { CANARIES, type Canary } from "./canaries.ts";

/** Hunts at the same time: each is a process that computes. */
const AT_ONCE = 2;
/** Many seeds on a busy machine, and those of all canaries before. */
const TEST_MS_MAX = 900_000;

/** Hunts begin in the order of the list, before their tests ask for them. */
const hunts = new Map<Canary, Promise<Outcome>>();
const lanes: Promise<unknown>[] = Array.from({ length: AT_ONCE }, () => Promise.resolve());
for (const [index, canary] of CANARIES.entries()) {
  const begun = (lanes[index % AT_ONCE] as Promise<unknown>).then(() => hunt(canary));
  lanes[index % AT_ONCE] = begun.catch(() => undefined);
  hunts.set(canary, begun);
}

test("each canary fits the sources as they are", async () => {
  for (const edit of CANARIES.flatMap(({ edits }) => edits)) expect(await edited(edit)).toContain(edit.replace);
});

describe("the simulator notices that", () => {
  for (const canary of CANARIES) {
    test(canary.name, async () => {
      const { caught, detail } = await (hunts.get(canary) as Promise<Outcome>);
      note(`canary "${canary.name}": ${caught ? `caught by ${caught}: ${detail.slice(0, 200)}` : "not caught"}`);
      expect(caught, `${canary.breaks}; nobody noticed: ${detail}`).not.toBeNull();
    }, TEST_MS_MAX);
  }
});
