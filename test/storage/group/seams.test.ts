import { describe, expect, test } from "bun:test";
import { BLOCK_BYTES } from "../../../src/base/geometry.ts";
import { SimulatedGateway } from "../../simulator/gateway.ts";
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
