import { expect, test } from "bun:test";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

test("a cluster store that is put back to an old copy loses nothing that was acknowledged since, and all drives notice", async () => {
  const trial = await TrialUnderTest.make({ store: "sqlite" });
  const database = join(trial.directory, "store", "store.sqlite");
  const copy = join(trial.directory, "store.copy");
  try {
    const client = await startLoad(trial);
    await client.progress(500);
    await trial.must("trial", "down");
    copyFileSync(database, copy);
    await trial.up();
    await client.progress(500);
    // What the copy does not know: groups that went on without server1, and writes that only they have.
    await trial.must("trial", "kill-server", "server1");
    await client.progress(500);
    trial.killEverything();
    for (const ending of ["-wal", "-shm"]) rmSync(`${database}${ending}`, { force: true });
    copyFileSync(copy, database);
    await trial.up();
    await trial.health("healthy");
    await client.progress(500);
    for (const { name } of trial.servers) expect(trial.hasLogged(name, "this drive does not obey the cluster store")).toBe(true);
    expect(trial.servers.some(({ name }) => trial.hasLogged(name, "The restore of the cluster store is done"))).toBe(true);
    await client.stop();
    for (const { portal } of trial.servers) expect(await client.verify(`iscsi://${portal}/${trial.report.target}/0`)).toBeGreaterThan(0);
    // Writes may be refused while too few servers are up (sense 7/27): those are not acknowledged, and nothing else may be amiss.
    expect(client.complaints.filter((complaint) => !complaint.includes("sense 7/27"))).toEqual([]);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
