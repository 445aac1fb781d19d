import { test } from "bun:test";
import { Verifier } from "../initiator/verifier.ts";
import { expectReadable, noteInterval } from "./load.ts";
import { INITIATOR, SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

test("a volume with three copies outlives two servers that die one after the other", async () => {
  const trial = await TrialUnderTest.make({ drives: 1 });
  try {
    await trial.must("volume", "create", "safe", "--size", "256MiB", "--factor", "2");
    await trial.must("host", "create", "scenario", "--iqn", INITIATOR);
    const { urls } = (await trial.json("map", "safe", "scenario")) as { urls: string[] };
    const client = new Verifier({ urls, initiatorName: INITIATOR, blocks: 16_384 });
    client.start();
    await client.progress(500);
    await trial.must("trial", "kill-server", "server1");
    await trial.health("degraded", "server1");
    await client.progress(300);
    noteInterval(client, "three copies, server1 killed");
    await trial.must("trial", "kill-server", "server2");
    await trial.health("degraded", "server2");
    await client.progress(300);
    noteInterval(client, "one more, server2 killed");
    await trial.must("trial", "start-server", "server2");
    await trial.must("trial", "start-server", "server1");
    await trial.health("healthy");
    await client.progress(100);
    await client.stop();
    await expectReadable(trial, client);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
