import { describe, expect, test } from "bun:test";
import type { Message } from "../../../src/wire/messages.ts";
import { Chance } from "../../simulator/chance.ts";
import { FORGETS_ALL, FORGETS_LOG, keep, Load, whenDelivered } from "./recovery-stage.ts";
import { Stage } from "./stage.ts";

/** They need a second each; a busy machine may need many. */
const TEST_MS_MAX = 120_000;

interface Phase {
  readonly name: string;
  /** True at the moment that is meant; `count` of messages of this type so far, this one included. */
  readonly message?: (message: Message, count: number) => boolean;
  readonly line?: string;
  /** The configuration names the learner as a member. */
  readonly added?: boolean;
  readonly manifests?: boolean;
}
const PHASES: readonly Phase[] = [
  { name: "the fence", message: ({ type }) => type === "fence" },
  { name: "the opening of the catch-up", message: ({ type }) => type === "catch-up" },
  { name: "the first copy", message: ({ type }, count) => type === "copy" && count === 1 },
  { name: "the copies", message: ({ type }, count) => type === "copy" && count === 25 },
  { name: "the manifest", message: ({ type }) => type === "manifest", manifests: true },
  { name: "the answer to the manifest", message: ({ type }) => type === "differs", manifests: true },
  { name: "the copies after a manifest", message: ({ type }, count) => type === "copy" && count === 25, manifests: true },
  { name: "the word that it has caught up", message: ({ type }) => type === "caught-up" },
  { name: "the proposal to take it in", line: "a learner has caught up" },
  { name: "the configuration with it", added: true },
];

/** Calls `hit` once, right after the phase's moment. */
function at(stage: Stage, phase: Phase, hit: () => void): void {
  const { cluster } = stage;
  const soon = (): void => cluster.time.soon(hit);
  const counts = new Map<string, number>();
  whenDelivered(stage, (message, _from, to) => {
    const learner = message.type === "differs" || to === "b";
    if (!learner || !phase.message) return false;
    counts.set(message.type, (counts.get(message.type) ?? 0) + 1);
    if (!phase.message(message, counts.get(message.type) as number)) return false;
    soon();
    return true;
  });
  const from = cluster.lines.length;
  let seen = false;
  cluster.time.watchers.push(() => {
    if (seen) return;
    seen = (phase.line !== undefined && cluster.lines.slice(from).some((line) => line.includes(phase.line as string))) || (phase.added === true && stage.members().includes("b"));
    if (seen) soon();
  });
}

describe("a kill of", () => {
  const stories = [
    { victim: "b", what: "the learner", factor: 1 },
    { victim: "a", what: "the primary, the only member,", factor: 1 },
    { victim: "a", what: "the primary, while another member lives,", factor: 2 },
  ] as const;
  for (const { victim, what, factor } of stories)
    for (const [seed, phase] of PHASES.entries())
      test(`${what} at ${phase.name} loses nothing, and the copies become equal`, () => {
        const stage = new Stage(factor, { a: "s1", b: "s2", c: "s3" }, seed + 1);
        const chance = new Chance(seed, "kill");
        keep(stage, phase.manifests ? FORGETS_ALL : FORGETS_LOG);
        const load = new Load(stage, chance, 3);
        load.start();
        stage.pass(300);
        stage.cluster.kill("b");
        stage.until(() => stage.members().length === factor);
        // So long that the log has let go of what b has.
        stage.pass(2500);
        let hit = false;
        at(stage, phase, () => {
          hit = true;
          stage.cluster.kill(victim, chance.happens(0.5));
        });
        stage.cluster.start("b");
        stage.until(() => hit);
        stage.pass(chance.between(10, 4000));
        stage.cluster.start(victim);
        stage.pass(500);
        load.stop();
        stage.whole();
        expect(load.written.size).toBeGreaterThan(100);
        // Each read is checked against what was acknowledged.
        let left = 0;
        for (const place of load.places()) {
          left += 1;
          stage.gateway.read(place, () => (left -= 1));
        }
        stage.until(() => left === 0);
      }, TEST_MS_MAX);
});

describe("a kill of a drive that a group has left", () => {
  test("when it drops its data leaves the others whole, and nothing behind", () => {
    const stage = new Stage();
    const load = new Load(stage, new Chance(3, "moved"), 3);
    load.start();
    stage.pass(500);
    stage.cluster.plan(stage.group, ["a", "c"]);
    let hit = false;
    at(stage, { name: "", line: "dropping a group's data" }, () => {
      hit = true;
      stage.cluster.kill("b");
    });
    stage.until(() => hit);
    stage.cluster.start("b");
    load.stop();
    stage.whole();
    stage.pass(15_000);
    expect(stage.cluster.host("b").running?.drive?.extents()).toEqual([]);
  }, TEST_MS_MAX);
});
