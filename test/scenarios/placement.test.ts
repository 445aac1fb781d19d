import { expect, test } from "bun:test";
import { expectTwoEqualCopies } from "./copies.ts";
import { startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

test("every extent has two equal copies on two servers, at first and after a server was lost and came back", async () => {
  const trial = await TrialUnderTest.make();
  try {
    const client = await startLoad(trial, { commandsPerSecondMax: 3000 });
    await client.progress(10_000);
    await client.stop();
    await trial.must("trial", "down");
    await expectTwoEqualCopies(trial, client);

    await trial.up();
    const urls = trial.servers.map(({ portal }) => `iscsi://${portal}/${trial.report.target}/0`);
    const again = client.successor(urls);
    again.start();
    await trial.must("trial", "kill-server", "server3");
    await trial.health("degraded");
    await again.progress(2000);
    await trial.must("trial", "start-server", "server3");
    await trial.health("healthy");
    await again.stop();
    await trial.must("trial", "down");
    await expectTwoEqualCopies(trial, again);
    expect(again.complaints).toEqual([]);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
