import { expect, test } from "bun:test";
import { expectReadable, startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

test("a missing copy shows as degraded until it is made again, which needs nobody's help", async () => {
  const trial = await TrialUnderTest.make();
  try {
    const client = await startLoad(trial, { commandsPerSecondMax: 2000 });
    await client.progress(5000);
    await trial.must("trial", "kill-server", "server2");
    await trial.health("degraded", "server2 stopped answering");
    const lacking = (await trial.status()).groups;
    expect(lacking.short).toBeGreaterThan(0);
    expect(lacking.serving).toBe(lacking.total);
    await client.progress(5000);
    await trial.must("trial", "start-server", "server2");
    await trial.health("healthy");
    await client.stop();
    const status = await trial.status();
    // Nothing may be left to do once it says healthy.
    expect([status.groups.short, status.groups.recovering, status.groups.serving]).toEqual([0, 0, status.groups.total]);
    expect(status.servers.map(({ up }) => up)).toEqual([true, true, true]);
    expect(status.drives.map(({ up }) => up)).toEqual(status.drives.map(() => true));
    await expectReadable(trial, client);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
