import { afterEach, beforeEach, expect, test } from "bun:test";
import { BACK_OFF_MAX_MS, BACK_OFF_MIN_MS, STOP_WITHIN_MS, SupervisedChild } from "../../src/server/child.ts";
import { testWorld, type TestWorld } from "./world.ts";

let world: TestWorld;
let fate: "restart" | "stay-down";
let ends: string[];
beforeEach(() => {
  world = testWorld();
  fate = "restart";
  ends = [];
});
afterEach(() => world.dispose());

function child(): SupervisedChild {
  return new SupervisedChild(
    {
      role: "iscsi", argv: ["virtustor", "role", "iscsi"], env: {}, logPath: "/nowhere", changed() {},
      ended: (pid, exitCode, signal) => {
        ends.push(`${pid} ${exitCode} ${signal}`);
        return fate;
      },
    },
    world,
  );
}

test("a child that ends is started again, each time after twice the wait, up to the longest", async () => {
  const { processes, clock } = world;
  const supervised = child();
  supervised.start();
  let waitMs = BACK_OFF_MIN_MS;
  for (let round = 1; round <= 12; round++) {
    processes.started.at(-1)?.end(1);
    expect(supervised.state).toBe("waiting");
    await clock.advance(waitMs - 1);
    expect(processes.started).toHaveLength(round);
    await clock.advance(1);
    expect(processes.started).toHaveLength(round + 1);
    waitMs = Math.min(waitMs * 2, BACK_OFF_MAX_MS);
  }
});

test("a child that had run steadily is started again at once as after its first end", async () => {
  const { processes, clock } = world;
  const supervised = child();
  supervised.start();
  for (let round = 0; round < 5; round++) {
    processes.started.at(-1)?.end(1);
    await clock.advance(BACK_OFF_MAX_MS);
  }
  await clock.advance(60_000);
  processes.started.at(-1)?.end(null, "SIGKILL");
  await clock.advance(BACK_OFF_MIN_MS);
  expect(supervised.state).toBe("running");
  expect(ends.at(-1)).toEndWith("null SIGKILL");
});

test("a child whose end is final stays down", async () => {
  fate = "stay-down";
  const supervised = child();
  supervised.start();
  world.processes.started[0]?.end(71);
  await world.clock.advance(60_000);
  expect(supervised.state).toBe("down");
  expect(world.processes.started).toHaveLength(1);
});

test("a program that cannot be started is tried again", async () => {
  const supervised = child();
  world.processes.refuse = new Error("no such program");
  supervised.start();
  expect(supervised.state).toBe("waiting");
  world.processes.refuse = null;
  await world.clock.advance(BACK_OFF_MIN_MS);
  expect(supervised.state).toBe("running");
});

test("a stop asks first and kills the stubborn, and nothing is started afterwards", async () => {
  world.processes.stubborn = true;
  const supervised = child();
  supervised.start();
  const stopped = supervised.stop();
  await world.clock.advance(STOP_WITHIN_MS - 1);
  expect(world.processes.started[0]?.signals).toEqual(["SIGTERM"]);
  await world.clock.advance(1);
  await stopped;
  expect(world.processes.started[0]?.signals).toEqual(["SIGTERM", "SIGKILL"]);
  await world.clock.advance(60_000);
  expect(world.processes.started).toHaveLength(1);
});

test("a stop while it waits to be started again is at once", async () => {
  const supervised = child();
  supervised.start();
  world.processes.started[0]?.end(1);
  await supervised.stop();
  await world.clock.advance(60_000);
  expect(world.processes.started).toHaveLength(1);
});
