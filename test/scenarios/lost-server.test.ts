import { expect } from "bun:test";
import type { ServersAnswer } from "../../src/management/api/servers.ts";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { atRest, until } from "./moves.ts";
import { story } from "./needs.ts";
import { PROGRAM, TrialUnderTest } from "./trial-under-test.ts";

story("a server that is lost for good is removed, its copies are made elsewhere, and another takes its place in the cluster store", ["etcd"], async () => {
  const trial = await TrialUnderTest.make({ store: "etcd", drives: 1 });
  try {
    await trial.must("trial", "add-server");
    await trial.refresh();
    const client = await startLoad(trial, { commandsPerSecondMax: 300 });
    await client.progress(300);
    await atRest(trial);
    const early = await trial.run("server", "remove", "server2", "--lost");
    expect([early.code, early.err]).toEqual([1, expect.stringContaining("is not lost")]);

    await trial.must("trial", "kill-server", "server2");
    await trial.health("degraded", "server2");
    await client.progress(300);
    let refused = "";
    await until(trial, "without server2", async () => {
      const { code, err } = await trial.run("server", "remove", "server2", "--lost");
      if (code !== 0) refused = err;
      return code === 0;
    });
    // Only while its lease ran, or groups still went on without it.
    if (refused !== "") expect(refused).toMatch(/answers|go on without it within seconds|last copy that is known/);
    noteInterval(client, "a server lost and removed");
    await until(trial, "with another member of the store", async () => {
      const { servers } = (await trial.json("server", "list")) as ServersAnswer;
      return servers.filter(({ storeMember }) => storeMember).map(({ name }) => name).join() === "server1,server3,server4";
    });
    await until(trial, "with a member that votes", () => Promise.resolve(trial.logs("server4").includes("votes from now on")));
    await atRest(trial);
    await trial.health("healthy", "3 servers and 3 drives are up");

    // The proof of the place that was taken over: the store goes on without another of the first three.
    await trial.must("trial", "kill-server", "server1");
    await trial.health("degraded", "server1");
    await client.progress(300);
    noteInterval(client, "another server lost");
    await trial.must("trial", "start-server", "server1");
    await trial.health("healthy");
    await client.stop();
    // Whoever comes back and was removed is no server of the cluster any more.
    expect(trial.servers.length).toBe(4);
    const gone = Bun.spawn([PROGRAM, "server", "--config", `${trial.directory}/server2/config.json`], { stdio: ["ignore", "ignore", "ignore"] });
    try {
      await until(trial, "with server2 stopped", () => Promise.resolve(gone.exitCode !== null));
    } finally {
      gone.kill("SIGKILL");
    }
    await trial.refresh();
    expect(trial.servers.map(({ name }) => name)).toEqual(["server1", "server3", "server4"]);
    await expectAllThere(trial, client);
  } finally {
    await trial.wipe();
  }
});
