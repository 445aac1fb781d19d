import { expect, test } from "bun:test";
import type { DriveAddAnswer } from "../../src/management/api/servers.ts";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { atRest, drained, drivesOf, serverDrained, until } from "./moves.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

/** Beside the moves: enough to be in their way, little enough for a small machine. */
const LOAD = { commandsPerSecondMax: 400 };

test("a drive that is added to a running server gets its share, one that is drained is left, and removed it is gone", async () => {
  const trial = await TrialUnderTest.make();
  try {
    const client = await startLoad(trial, LOAD);
    const { id } = (await trial.json("trial", "add-drive", "server1")) as DriveAddAnswer;
    await atRest(trial);
    const added = (await drivesOf(trial, "server1")).find((drive) => drive.id === id);
    expect(added?.usedBytes).toBeGreaterThan(0);
    noteInterval(client, "a drive added");

    const leaving = (await drivesOf(trial, "server2"))[0]?.id as string;
    const early = await trial.run("drive", "remove", leaving);
    expect([early.code, early.err]).toEqual([1, expect.stringContaining("Drain it first")]);
    await trial.must("drive", "drain", leaving);
    const seen = await drained(trial, leaving);
    expect(seen).toEqual([...seen].sort((a, b) => b - a));
    await trial.must("drive", "remove", leaving);
    expect((await drivesOf(trial, "server2")).map((drive) => drive.id)).not.toContain(leaving);
    await until(trial, "without the removed drive's process", () => Promise.resolve(trial.processes().filter(({ command }) => command.includes("/server2/") && command.includes(" role storage ")).length === 1));
    await trial.health("healthy", "and 6 drives are up");
    noteInterval(client, "a drive drained and removed");
    // What it no longer is it does not become by a restart.
    await trial.must("trial", "kill-server", "server2");
    await trial.must("trial", "start-server", "server2");
    await trial.health("healthy", "and 6 drives are up");
    await expectAllThere(trial, client);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);

test("a fourth server gets its share, and a server that is drained and removed is missed by nobody", async () => {
  const trial = await TrialUnderTest.make({ drives: 1 });
  try {
    const client = await startLoad(trial, LOAD);
    const refused = await trial.run("server", "remove", "server3");
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("needs at least 3")]);
    expect(await trial.json("trial", "add-server")).toEqual({ server: "server4" });
    await atRest(trial);
    expect((await drivesOf(trial, "server4"))[0]?.usedBytes).toBeGreaterThan(0);
    noteInterval(client, "a server added");

    await trial.must("server", "drain", "server2");
    await serverDrained(trial, "server2");
    await trial.must("server", "remove", "server2");
    await trial.health("healthy", "3 servers and 3 drives are up");
    await until(trial, "without server2's processes", () => Promise.resolve(!trial.processes().some(({ command }) => command.includes("/server2/"))));
    noteInterval(client, "a server drained and removed");
    await trial.refresh();
    expect(trial.servers.map(({ name }) => name)).toEqual(["server1", "server3", "server4"]);
    await expectAllThere(trial, client);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
