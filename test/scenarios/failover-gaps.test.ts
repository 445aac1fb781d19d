import { Verifier } from "../initiator/verifier.ts";
import { expectReadable } from "./load.ts";
import { story } from "./needs.ts";
import { TestNetwork } from "./network.ts";
import { INITIATOR, note, TrialUnderTest } from "./trial-under-test.ts";

const TIMES = 3;
const BLOCKS = 16_384;

/** Sorted, for people. */
function list(gapsMs: readonly number[]): string {
  return [...gapsMs].sort((one, other) => one - other).join(", ");
}

// Nothing here asserts a time: what hosts wait is printed, to be compared with the goals.
story("the pauses that hosts feel when a storage process or a whole server dies are measured, and cost no write", ["network namespaces", "etcd"], async () => {
  const network = TestNetwork.make();
  try {
    const trial = await TrialUnderTest.make({ drives: 1, store: "etcd", netns: network.namespaces, addresses: network.addresses });
    try {
      const urls = await trial.volume("load", "1GiB");
      // Paths of the servers that stay: how soon a host leaves a dead portal is its own affair.
      const client = new Verifier({ urls: urls.slice(1), initiatorName: INITIATOR, blocks: BLOCKS });
      client.start();
      await client.progress(500);

      const processGaps: number[] = [];
      for (let time = 0; time < TIMES; time++) {
        client.interval();
        process.kill(trial.processOf("server1", "storage").pid, "SIGKILL");
        // A write that waits is measured when it ends.
        await client.progress(300);
        await trial.health("healthy");
        await client.progress(300);
        processGaps.push(client.interval().longestWriteMs);
      }
      note(`storage process killed, longest write ${list(processGaps)} ms (goal 1000): its supervisor reaps it and publishes its death in the store, members propose without waiting for the grace of 3 s, then peering`);

      const serverGaps: number[] = [];
      for (let time = 0; time < TIMES; time++) {
        client.interval();
        // As a power cut looks to the others: silence, no refused connection.
        network.unplug(0);
        await trial.must("trial", "kill-server", "server1");
        await trial.seen("server3", "served without server1", ({ groups }) => groups.short > 0 && groups.serving === groups.total);
        await client.progress(300);
        serverGaps.push(client.interval().longestWriteMs);
        network.plug(0);
        await trial.must("trial", "start-server", "server1");
        await trial.health("healthy");
      }
      note(`server lost in silence, longest write ${list(serverGaps)} ms (goal 5000): nobody publishes the death, so members wait for the grace of 3 s and for 1.5 s of silence in peering, then one compare-and-set`);
      await client.stop();
      await expectReadable(trial, client);
    } finally {
      await trial.wipe();
    }
  } finally {
    network.remove();
  }
});
