import { expect, test } from "bun:test";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

for (const store of ["etcd", "sqlite"] as const) {
  test(`when every process of every server is killed at once, all that was acknowledged is there afterwards, with ${store}`, async () => {
    const trial = await TrialUnderTest.make({ store });
    try {
      const client = await startLoad(trial);
      await client.progress(2000);
      // Twice: the second time in the state that the first has left behind.
      for (const time of ["first", "second"]) {
        expect(trial.killEverything()).toBeGreaterThan(trial.servers.length);
        await trial.up();
        await client.progress(500);
        noteInterval(client, `everything killed for the ${time} time`);
      }
      await expectAllThere(trial, client);
    } finally {
      await trial.wipe();
    }
  }, SCENARIO_MS);
}
