import { expectReadable, startLoad } from "./load.ts";
import { story } from "./needs.ts";
import { TestNetwork } from "./network.ts";
import { expectNothingOld } from "./stale.ts";
import { TrialUnderTest } from "./trial-under-test.ts";

/** 32 extents: some of their groups lie on the two servers that are cut off in turn. */
const BLOCKS = 32_768;
const HOST_PATIENCE_MS = 3_000;

story("a server that was cut off for a time shows nothing old when one that went on is cut off instead", ["network namespaces", "etcd"], async () => {
  const network = TestNetwork.make();
  try {
    const trial = await TrialUnderTest.make({ drives: 1, store: "etcd", netns: network.namespaces, addresses: network.addresses });
    try {
      const client = await startLoad(trial, { blocks: BLOCKS, commandTimeoutMs: HOST_PATIENCE_MS });
      await client.progress(2_000);
      network.unplug(1);
      await client.progress(3_000);
      await client.stop();
      // The store keeps its quorum by the server that was away: it could promote its old copies, if nothing else forbade it.
      network.unplug(0);
      network.plug(1);
      await Promise.all([expectNothingOld(client.urls[1] ?? "", client), expectNothingOld(client.urls[2] ?? "", client)]);
      network.plug(0);
      await trial.health("healthy");
      await expectReadable(trial, client);
    } finally {
      await trial.wipe();
    }
  } finally {
    network.remove();
  }
});
