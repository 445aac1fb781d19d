import { expect } from "bun:test";
import { ConnectionLost } from "../initiator/connection.ts";
import { Initiator, ScsiError } from "../initiator/initiator.ts";
import { parsePortal } from "../initiator/url.ts";
import type { Verifier } from "../initiator/verifier.ts";
import { expectReadable, startLoad } from "./load.ts";
import { story } from "./needs.ts";
import { TestNetwork } from "./network.ts";
import { INITIATOR, note, TrialUnderTest } from "./trial-under-test.ts";

/** Few, so that each is written many times. */
const BLOCKS = 4_096;
/** Longer than every lease, every patience with silent members, and the time after which a group counts as lost. */
const ALONE_MS = 15_000;
const READS_AT_ONCE = 4;
const HOST_PATIENCE_MS = 3_000;

/**
 * Reads at random, as a host does that has this path alone, for as long as the good copy is away. What is answered must not be old;
 * that nothing is answered is right.
 */
async function expectNothingOld(url: string, client: Verifier): Promise<void> {
  const untilMs = performance.now() + ALONE_MS;
  const seen = new Map<string, number>();
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  const reader = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      try {
        const session = await Initiator.connect(parsePortal(url), { initiatorName: INITIATOR, commandTimeoutMs: HOST_PATIENCE_MS });
        count("logins");
        while (performance.now() < untilMs) count(await outcomeOfRead(session, client));
        session.destroy();
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        count("connections lost");
        await Bun.sleep(100);
      }
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, reader));
  note(`what a host saw through ${parsePortal(url).address} in ${ALONE_MS / 1000} s: ${[...seen].map(([what, times]) => `${times} ${what}`).join(", ")}`);
  // Otherwise nobody was asked.
  expect(seen.get("logins")).toBeGreaterThan(0);
  expect((seen.get("reads refused") ?? 0) + (seen.get("connections lost") ?? 0)).toBeGreaterThan(0);
}

async function outcomeOfRead(session: Initiator, client: Verifier): Promise<string> {
  const block = client.someBlock();
  try {
    client.expectNotOld(await session.read(block * 8, 8), block);
    return "good answers";
  } catch (error) {
    if (!(error instanceof ScsiError)) throw error;
    await Bun.sleep(50);
    return "reads refused";
  }
}

story("a copy that missed writes stays silent while the one that has them is dead, and all is there when that returns", [], async () => {
  const trial = await TrialUnderTest.make({ servers: 2, drives: 1 });
  try {
    const client = await startLoad(trial, { blocks: BLOCKS });
    await client.progress(2_000);
    await trial.must("trial", "kill-server", "server2");
    await client.progress(3_000);
    await client.stop();
    await trial.must("trial", "kill-server", "server1");
    await trial.must("trial", "start-server", "server2");
    await expectNothingOld(client.urls[1] ?? "", client);
    await trial.must("trial", "start-server", "server1");
    await trial.health("healthy");
    await expectReadable(trial, client);
  } finally {
    await trial.wipe();
  }
});

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
