import { expect, test } from "bun:test";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { note, SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

/** The whole minute of the goal takes ABSENCE_SECONDS=60. */
const ABSENCE_MS = Number(process.env["ABSENCE_SECONDS"] ?? 10) * 1_000;
const BLOCK_BYTES = 4_096;
const BLOCKS_PER_CHUNK = 16;
/** Of what was written meanwhile so much may be copied: what is written while the server comes back, too, is copied or streamed. */
const RATIO_MAX = 1.5;
const MIB = 2 ** 20;

/** Units of so many blocks in which at least one block is another than before. */
function changed(before: Uint32Array, after: Uint32Array, blocksPerUnit: number): number {
  const units = new Set<number>();
  for (let block = 0; block < after.length; block++) if (before[block] !== after[block]) units.add(Math.floor(block / blocksPerUnit));
  return units.size;
}

test("a server that was away for a time gets what was written meanwhile and little more", async () => {
  const trial = await TrialUnderTest.make({ drives: 1 });
  try {
    const client = await startLoad(trial, { singleBlocks: true });
    // Older content, which needs no copying.
    await client.progress(5_000);
    await trial.must("trial", "kill-server", "server2");
    const before = client.ledger.versions();
    await Bun.sleep(ABSENCE_MS);
    await client.progress(100);
    const copiedBytes = watchCopied(trial);
    await trial.must("trial", "start-server", "server2");
    await trial.health("healthy");
    const after = client.ledger.versions();
    const copied = await copiedBytes.stop();
    noteInterval(client, `server2 away for ${ABSENCE_MS / 1000} s`);
    const blockBytes = changed(before, after, 1) * BLOCK_BYTES;
    const chunkBytes = changed(before, after, BLOCKS_PER_CHUNK) * BLOCKS_PER_CHUNK * BLOCK_BYTES;
    // Two of three copies pairs have one on the server that was away.
    note(`distinct blocks written ${(blockBytes / MIB).toFixed(1)} MiB, their chunks of 64 KiB ${(chunkBytes / MIB).toFixed(1)} MiB`);
    expect(copied).toBeGreaterThan(0);
    await expectAllThere(trial, client);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
