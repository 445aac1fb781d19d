import { expect } from "bun:test";
import { Verifier } from "../initiator/verifier.ts";
import { expectReadable } from "./load.ts";
import { story } from "./needs.ts";
import { TestNetwork } from "./network.ts";
import { INITIATOR, note, TrialUnderTest } from "./trial-under-test.ts";

const BLOCKS = 16_384;
/** Primaries move back after 5 quiet seconds, one each 200 ms. */
const HANDED_BACK_MS = 10_000;

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
      let last = new Verifier({ urls, initiatorName: INITIATOR, blocks: BLOCKS });
      const gaps: Record<"process" | "server", number[]> = { process: [], server: [] };
      // In turn: a server that was just away leads nothing for a while, the others lead the more.
      for (const [index, victim] of trial.servers.entries()) {
        const witness = trial.servers[(index + 1) % trial.servers.length]?.name ?? "";
        // Paths of the servers that stay: how soon a host leaves a dead portal is its own affair.
        const client = (last = last.successor(urls.filter((_, at) => at !== index)));
        client.start();
        await client.progress(300);

        client.interval();
        process.kill(trial.processOf(victim.name, "storage").pid, "SIGKILL");
        await client.progress(300);
        await trial.health("healthy");
        // A write that waits is measured when it ends.
        await client.allAnswered();
        gaps.process.push(client.interval().longestWriteMs);
        await Bun.sleep(HANDED_BACK_MS);

        client.interval();
        // As a power cut looks to the others: silence, no refused connection.
        network.unplug(index);
        await trial.must("trial", "kill-server", victim.name);
        await trial.seen(witness, `served without ${victim.name}`, ({ drives, groups }) => drives.some(({ server, up }) => server === victim.name && !up) && groups.serving === groups.total);
        await client.allAnswered();
        gaps.server.push(client.interval().longestWriteMs);
        network.plug(index);
        await trial.must("trial", "start-server", victim.name);
        await trial.health("healthy");
        await client.stop();
        expect(client.complaints).toEqual([]);
      }
      note(`storage process killed, longest write ${list(gaps.process)} ms (goal 1000): its supervisor reaps it and publishes its death in the store, members propose without waiting for the grace of 3 s, then peering`);
      note(`server lost in silence, longest write ${list(gaps.server)} ms (goal 5000): nobody publishes the death, so members wait for the grace of 3 s, then one compare-and-set and peering`);
      await expectReadable(trial, last);
    } finally {
      await trial.wipe();
    }
  } finally {
    network.remove();
  }
});
