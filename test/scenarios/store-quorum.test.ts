import { expect } from "bun:test";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { story } from "./needs.ts";
import { TrialUnderTest } from "./trial-under-test.ts";

/** Longer than every lease in the store (5 s) and than the servers' patience with it (20 s). */
const WITHOUT_QUORUM_MS = 25_000;

/** Stops two of the three etcd members, as hanging disks would; returns their pids. */
function stopQuorum(trial: TrialUnderTest): number[] {
  const pids = trial.processes().filter(({ command }) => /etcd .*--name server[12] /.test(command)).map(({ pid }) => pid);
  expect(pids).toHaveLength(2);
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  return pids;
}

story("while the cluster store has no quorum hosts read and write on, and nothing is left of it afterwards", ["etcd"], async () => {
  const trial = await TrialUnderTest.make({ store: "etcd", drives: 1 });
  try {
    const client = await startLoad(trial);
    const members = stopQuorum(trial);
    await trial.seen("server3", "without the store", ({ store }) => !store.answering);
    client.interval();
    // Through the whole time, not only at its beginning.
    const beganMs = performance.now();
    while (performance.now() - beganMs < WITHOUT_QUORUM_MS) await client.progress(300);
    noteInterval(client, `two of three etcd members stopped for ${WITHOUT_QUORUM_MS / 1000} s`);
    expect((await trial.peek("server3"))?.store.answering).toBe(false);
    for (const pid of members) process.kill(pid, "SIGCONT");
    await trial.health("healthy");
    await client.progress(300);
    noteInterval(client, "the store is back");
    await expectAllThere(trial, client);
  } finally {
    await trial.wipe();
  }
});

story("a storage process that dies while the store has no quorum is missed until the quorum is back, and nothing is lost", ["etcd"], async () => {
  const trial = await TrialUnderTest.make({ store: "etcd", drives: 1 });
  try {
    const client = await startLoad(trial);
    const members = stopQuorum(trial);
    await trial.seen("server3", "without the store", ({ store }) => !store.answering);
    process.kill(trial.processOf("server1", "storage").pid, "SIGKILL");
    await Bun.sleep(5_000);
    for (const pid of members) process.kill(pid, "SIGCONT");
    await client.progress(1_000);
    await trial.health("healthy");
    noteInterval(client, "the store without quorum, and a storage process killed meanwhile");
    await expectAllThere(trial, client);
  } finally {
    await trial.wipe();
  }
});
