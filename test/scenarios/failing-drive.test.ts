import { expect } from "bun:test";
import { join } from "node:path";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { atRest, drivesOf, until } from "./moves.ts";
import { story } from "./needs.ts";
import { PowerDomain } from "./power.ts";
import { runProgram, TrialUnderTest } from "./trial-under-test.ts";

story("a drive that answers with I/O errors is left at once, its copies are made elsewhere, and it is removed as lost", ["XFS on loop devices"], async () => {
  const disks = await PowerDomain.make();
  const trial = await TrialUnderTest.make({
    prepare: (directory) => disks.mount(join(directory, "server2", "drive-0")),
    release: () => disks.remove(),
  });
  try {
    const client = await startLoad(trial, { commandsPerSecondMax: 400 });
    await client.progress(500);
    const directory = trial.servers.find(({ name }) => name === "server2")?.drives[0] as string;
    expect((await runProgram(["xfs_io", "-x", "-c", "shutdown", directory])).code).toBe(0);
    let failing = "";
    await until(trial, "with a drive that is known to have failed", async () => {
      failing = (await drivesOf(trial, "server2")).find(({ state }) => state === "failed")?.id ?? "";
      return failing !== "";
    });
    noteInterval(client, "a drive failed");
    // Not waited for: much sooner than a drive that is merely silent.
    await atRest(trial);
    const seen = await trial.health("degraded", "no group lacks a copy");
    expect(seen.at(-1)).toContain("remove it from the cluster");
    noteInterval(client, "copies made elsewhere");
    const refused = await trial.run("drive", "remove", failing);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("If it is gone for good, say so")]);
    await trial.must("drive", "remove", failing, "--lost");
    await trial.health("healthy", "3 servers and 5 drives are up");
    await expectAllThere(trial, client);
  } finally {
    // What cannot be written cannot be wiped either.
    trial.killEverything();
    await disks.mend();
    await trial.wipe();
  }
});
