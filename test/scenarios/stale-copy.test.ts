import { test } from "bun:test";
import { expectReadable, startLoad } from "./load.ts";
import { expectNothingOld } from "./stale.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

/** Few, so that each is written many times. */
const BLOCKS = 4_096;

test("a copy that missed writes stays silent while the one that has them is dead, and all is there when that returns", async () => {
  const trial = await TrialUnderTest.make({ servers: 2, drives: 1 });
  try {
    const client = await startLoad(trial, { blocks: BLOCKS });
    await client.progress(2_000);
    await trial.must("trial", "kill-server", "server2");
    await client.progress(3_000);
    await client.stop();
    await trial.must("trial", "kill-server", "server1");
    await trial.must("trial", "start-server", "server2");
    await expectNothingOld(client.urls[1] ?? "", client);
    await trial.must("trial", "start-server", "server1");
    await trial.health("healthy");
    await expectReadable(trial, client);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
