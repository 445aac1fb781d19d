import { expect, test } from "bun:test";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { note, SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

/** The whole minute of the goal takes ABSENCE_SECONDS=60. */
const ABSENCE_MS = Number(process.env["ABSENCE_SECONDS"] ?? 10) * 1_000;
const BLOCKS = 32_768;
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

/** What the primaries say, since `since` (ISO 8601), that their catch-ups have copied. */
function copiedBytes(trial: TrialUnderTest, since: string): number {
  const lines = trial.servers.flatMap(({ name }) => trial.logs(name).split("\n")).filter((line) => line.includes('"copiedBytes":'));
  const told = lines.map((line) => JSON.parse(line) as { time: string; copiedBytes: number });
  return told.filter(({ time }) => time >= since).reduce((sum, { copiedBytes: bytes }) => sum + bytes, 0);
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

test("a server that was away for a time gets what was written meanwhile and little more", async () => {
  const trial = await TrialUnderTest.make({ drives: 1 });
  try {
    const client = await startLoad(trial, { singleBlocks: true, blocks: BLOCKS, commandsPerSecondMax: 2_000 });
    // Older content, which needs no copying.
    await client.progress(5_000);
    await trial.must("trial", "kill-server", "server2");
    const before = client.ledger.versions();
    await Bun.sleep(ABSENCE_MS);
    await client.progress(100);
    const since = new Date().toISOString();
    await trial.must("trial", "start-server", "server2");
    await trial.health("healthy");
    const after = client.ledger.versions();
    const copied = copiedBytes(trial, since);
    noteInterval(client, `server2 away for ${ABSENCE_MS / 1000} s`);
    const blockBytes = changed(before, after, 1) * BLOCK_BYTES;
    const chunkBytes = changed(before, after, BLOCKS_PER_CHUNK) * BLOCKS_PER_CHUNK * BLOCK_BYTES;
    // Of three servers each has two thirds of the copies.
    const ratio = copied / ((blockBytes * 2) / 3);
    note(`distinct blocks written ${mib(blockBytes)}, their chunks of 64 KiB ${mib(chunkBytes)}, of both two thirds missing on server2; copied ${mib(copied)}, ${ratio.toFixed(2)} of the blocks`);
    expect(copied).toBeGreaterThan(0);
    expect(ratio).toBeLessThanOrEqual(RATIO_MAX);
    await expectAllThere(trial, client);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
