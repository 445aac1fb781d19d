import { expect, test } from "bun:test";
import { keys } from "../../../src/cluster/schema.ts";
import { PLAN_SETTINGS } from "../../../src/monitor/plan.ts";
import { moveDrive } from "../../simulator/administrator.ts";
import { Overseer } from "../../simulator/overseer.ts";
import { Stage } from "./stage.ts";

// R22
test("two copies of a group whose drives have come into one server: the monitor moves one, and nothing is lost", () => {
  const stage = new Stage();
  const { cluster } = stage;
  // The other pool has no group here, and the monitor would make one.
  cluster.store.apply({ compares: [], deletes: [keys.pool(2)] });
  for (const server of ["s1", "s2", "s3"]) new Overseer(cluster, `monitor ${server}`, server, 1, PLAN_SETTINGS).start();
  const value = stage.write(stage.place(0));
  const serversOf = (): string[] => stage.members().map((name) => cluster.host(name).server).sort();
  stage.until(() => cluster.store.find(keys.leader) !== null);
  moveDrive(cluster, "b", "s1");
  stage.until(() => cluster.host("b").running?.node !== null && serversOf().join() === "s1,s1");
  stage.until(() => new Set(serversOf()).size === 2 && serversOf().length === 2, 120_000);
  stage.whole();
  expect(stage.read(stage.place(0))[0]).toBe(value);
  // The copy that was let go drops its data (R12), the other two hold everything.
  expect(stage.members()).toContain("c");
  cluster.powerOff("s1");
  stage.until(() => stage.serving().join() === "c", 120_000);
  expect(stage.read(stage.place(0))[0]).toBe(value);
});
