import { expect, test } from "bun:test";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

/** Above every lease and time-out of the replication, and above the host's patience below. */
const FROZEN_MS = 8_000;
/** A pause that nobody may take for a death, and one close to the leases. */
const SHORT_MS: readonly number[] = [300, 1_900];
const HOST_PATIENCE_MS = 3_000;

/** Stops the processes whose command line says so for a time, as a hypervisor or a failing controller would. */
async function freeze(trial: TrialUnderTest, what: (command: string) => boolean, forMs: number): Promise<void> {
  const pids = trial.processes().filter(({ command }) => what(command)).map(({ pid }) => pid);
  expect(pids.length).toBeGreaterThan(0);
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  await Bun.sleep(forMs);
  for (const pid of pids) process.kill(pid, "SIGCONT");
}

test("whatever freezes and thaws later brings back neither old reads nor old writes", async () => {
  const trial = await TrialUnderTest.make({ drives: 1 });
  try {
    // Few blocks: a write that comes late finds its block written anew.
    const client = await startLoad(trial, { blocks: 8_192, commandTimeoutMs: HOST_PATIENCE_MS });
    const cases: readonly [string, (command: string) => boolean, number][] = [
      ...SHORT_MS.map((ms): [string, (command: string) => boolean, number] => ["all of server1", (command) => command.includes("/server1/"), ms]),
      ["all of server1", (command) => command.includes("/server1/"), FROZEN_MS],
      ["the storage process of server2", (command) => command.includes("/server2/") && command.includes(" role storage "), FROZEN_MS],
      ["the iSCSI process of server3", (command) => command.includes("/server3/") && command.includes(" role iscsi "), FROZEN_MS],
      ["the cluster store", (command) => command.includes(" store --dir "), FROZEN_MS],
    ];
    for (const [name, what, forMs] of cases) {
      await freeze(trial, what, forMs);
      await client.progress(300);
      await trial.health("healthy");
      noteInterval(client, `${name} frozen for ${forMs} ms`);
      client.failBack();
      await client.progress(300);
    }
    await expectAllThere(trial, client);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
