import { describe, expect, test } from "bun:test";
import { BLOCK_BYTES } from "../../../src/base/geometry.ts";
import { keys } from "../../../src/cluster/schema.ts";
import { SimulatedGateway } from "../../simulator/gateway.ts";
import { PARKED } from "../../../src/storage/drive/layout.ts";
import { DIRECTORY } from "../../simulator/drive.ts";
import { rot } from "./rot.ts";
import { Stage } from "./stage.ts";

/** A second portal, that takes BUSY for an answer; its channels are open and it knows the primary's clock. */
function portalOf(stage: Stage): SimulatedGateway {
  const gateway = new SimulatedGateway(stage.cluster, "p", 7);
  gateway.busyIsFinal = true;
  let open = false;
  gateway.write(stage.place(1000), () => (open = true));
  stage.until(() => open);
  return gateway;
}

describe("a copy that was away for a moment and becomes primary (R9, R15, X37)", () => {
  test("knows of what was acknowledged before it was away: an abandoned write does not undo it", () => {
    const stage = new Stage();
    const portal = portalOf(stage);
    stage.cluster.block("p", "s1");
    let old = "";
    portal.write(stage.place(0), (result) => (old = result));
    stage.pass(300);
    stage.write(stage.place(0));
    const newest = stage.write(stage.place(0));
    stage.cluster.kill("b");
    stage.until(() => stage.members().join() === "a");
    stage.cluster.start("b");
    stage.until(() => stage.members().join() === "a,b");
    stage.cluster.kill("a", true);
    stage.until(() => old !== "");
    expect(old).toBe("late");
    expect(stage.read(stage.place(0))[0]).toBe(newest);
    stage.cluster.start("a");
    stage.whole();
  });
});

test("R17: a full drive says so, also when what was sent to it was of an epoch that had ended", () => {
  const stage = new Stage(1, { a: "s1", b: "s2" }, 1, { b: 10_000 * BLOCK_BYTES });
  for (let extent = 0; extent < 2; extent += 1) stage.write(stage.place(0, 256, extent));
  // b takes over while what a has sent is still on its way.
  stage.cluster.host("a").running?.client.setReachable(false);
  stage.cluster.block("s1", "s2");
  const begun = Array.from({ length: 4 }, (_, i) => stage.begin(stage.place(i * 256, 256, 5)));
  stage.until(() => stage.serving().includes("b"));
  stage.cluster.unblock("s1", "s2");
  stage.pass(200);
  stage.cluster.host("a").running?.client.setReachable(true);
  stage.until(() => begun.every(({ result }) => result !== null));
  stage.whole();
  let full: string | null = null;
  for (let piece = 0; piece < 100 && full === null; piece += 1) {
    const write = stage.begin(stage.place((piece % 4) * 256, 256, 10 + (piece >> 2)));
    stage.until(() => write.result !== null, 30_000);
    if (write.result !== "done") full = write.result;
  }
  expect(full).toBe("no-space");
});

test("R25, R4: a repair that is under way when a member leaves asks the others in the new epoch, and keeps nobody waiting", () => {
  const stage = new Stage(2);
  const value = stage.write(stage.place(0));
  stage.pass(100);
  rot(stage, "a", [0]);
  // Its channel stays, and nothing comes back on it.
  stage.cluster.stall("b");
  // Nobody asks for it back: there is one change of the configuration alone.
  stage.cluster.store.apply({ compares: [], deletes: [keys.upDrive(stage.cluster.host("b").id)] });
  let values: readonly number[] | null = null;
  stage.gateway.read(stage.place(0), (read) => (values = read));
  stage.until(() => stage.members().join() === "a,c");
  stage.until(() => values !== null, 2000);
  expect((values as unknown as readonly number[])[0]).toBe(value);
  stage.cluster.restart("b");
  stage.whole();
});

test("R7d, R25: a block that is bad on every copy, beside what reconcile has to copy, keeps no group from serving", () => {
  const stage = new Stage(1, { a: "s1", b: "s2" });
  stage.write(stage.place(0, 8));
  // No replay writes it anew.
  stage.pass(40_000);
  rot(stage, "a", [1]);
  rot(stage, "b", [1]);
  // Only a gets to write it down.
  stage.cluster.network.cuts = (message) => message.type === "replicate";
  const begun = stage.begin(stage.place(3));
  stage.pass(200);
  stage.cluster.network.cuts = () => false;
  stage.cluster.restart("a");
  stage.until(() => begun.result !== null);
  expect(stage.logged("reconciling a group").length).toBe(1);
  expect(stage.read(stage.place(3))[0]).toBe(begun.value);
});

test("R9: what only a learner has is parked before it is overwritten, though its journal is slow", () => {
  const stage = new Stage(1, { a: "s1", b: "s2" });
  stage.write(stage.place(0, 8));
  stage.cluster.network.cuts = (message) => message.type === "replicate";
  const begun = stage.begin(stage.place(3));
  stage.pass(200);
  stage.cluster.kill("a", true);
  stage.cluster.network.cuts = () => false;
  stage.until(() => stage.serving().includes("b") && begun.result !== null);
  stage.cluster.start("a");
  stage.until(() => (stage.cluster.host("a").running?.drive ?? null) !== null);
  stage.cluster.host("a").medium.slowness = 20;
  stage.whole();
  expect(stage.cluster.host("a").medium.disk.list(`${DIRECTORY}/${PARKED}`)).toHaveLength(1);
});

describe("a primary whose last other member falls silent while the first entry of its epoch is under way (R4, R7e)", () => {
  test("goes on alone, and takes it back afterwards", () => {
    const stage = new Stage(1, { a: "s1", b: "s2" });
    const value = stage.write(stage.place(0));
    stage.cluster.kill("a");
    let silent = false;
    stage.cluster.network.cuts = (message) => {
      if (message.type === "replicate" && !silent) {
        silent = true;
        stage.cluster.block("s2", "s1");
      }
      return false;
    };
    stage.cluster.start("a");
    stage.until(() => silent && stage.members().length === 1);
    stage.until(() => stage.serving().length === 1);
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.cluster.unblock("s2", "s1");
    stage.whole();
  });
});
