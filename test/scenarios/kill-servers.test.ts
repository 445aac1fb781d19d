import { test } from "bun:test";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest, type TrialShape } from "./trial-under-test.ts";

const SHAPES: readonly { readonly name: string; readonly shape: TrialShape; readonly victims: number }[] = [
  { name: "with etcd, whose member dies with its server", shape: { store: "etcd" }, victims: 3 },
  { name: "with the embedded store", shape: { store: "sqlite" }, victims: 2 },
  { name: "with iSCSI and storage in one process", shape: { store: "sqlite", processes: "shared" }, victims: 1 },
];

for (const { name, shape, victims } of SHAPES) {
  test(`servers die in turn under load and no host loses a write, ${name}`, async () => {
    const trial = await TrialUnderTest.make(shape);
    try {
      const client = await startLoad(trial);
      for (const victim of trial.servers.slice(0, victims)) {
        await trial.must("trial", "kill-server", victim.name);
        await trial.health("degraded", victim.name);
        await client.progress(100);
        noteInterval(client, `${victim.name} killed`);
        await trial.must("trial", "start-server", victim.name);
        await trial.health("healthy");
        client.failBack();
        await client.progress(100);
        noteInterval(client, `${victim.name} back`);
      }
      await expectAllThere(trial, client);
    } finally {
      await trial.wipe();
    }
  }, SCENARIO_MS);
}
