import { expect, test } from "bun:test";
import { expectReadable, startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

test("a missing copy shows as degraded until recovery has made it again, without anybody's help", async () => {
  const trial = await TrialUnderTest.make();
  try {
    const client = await startLoad(trial, { commandsPerSecondMax: 2000 });
    await client.progress(5000);
    await trial.must("trial", "kill-server", "server2");
    await trial.health("degraded", "short");
    await client.progress(2000);
    await client.stop();
    // The other two servers take over its copies; it stays degraded, since a server is missing.
    await trial.health("degraded", "no group lacks a copy");
    const { groups } = await trial.status();
    expect([groups.short, groups.recovering, groups.serving]).toEqual([0, 0, groups.total]);
    await trial.must("trial", "start-server", "server2");
    await trial.health("healthy");
    const status = await trial.status();
    expect([status.groups.short, status.groups.recovering, status.groups.serving]).toEqual([0, 0, status.groups.total]);
    expect(status.servers.map(({ up }) => up)).toEqual([true, true, true]);
    expect(status.drives.map(({ up }) => up)).toEqual(status.drives.map(() => true));
    await expectReadable(trial, client);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
