import { test } from "bun:test";
import { expectAllThere, startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

// R26
test("a volume is unmapped and deleted while a server, killed with its supervisor, can neither confirm nor be proved dead", async () => {
  const trial = await TrialUnderTest.make();
  try {
    const client = await startLoad(trial);
    await trial.volume("gone", "64MiB");
    await client.progress(200);
    await trial.must("trial", "kill-server", "server1");
    await trial.must("unmap", "gone", "scenario");
    await trial.must("volume", "delete", "gone");
    await client.progress(200);
    await trial.must("trial", "start-server", "server1");
    await trial.health("healthy");
    // The portal of that server is another instance now, and serves.
    await expectAllThere(trial, client);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
