import { expect, test } from "bun:test";
import { BLOCK_BYTES, fillBlock, recognize, SECTORS_PER_BLOCK } from "../initiator/content.ts";
import { Initiator } from "../initiator/initiator.ts";
import { parsePortal } from "../initiator/url.ts";
import { INITIATOR, note, SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

/** A block in each of so many extents, so that every drive leads some. */
const BLOCKS = 48;
const BLOCKS_PER_EXTENT = 1_024;
const SEED = 7;
/** Less than the age at which a gateway drops its sessions unread (3 s), and more than any time-out of the replication. */
const FROZEN_MS: readonly number[] = [1_500, 2_500, 20_000];
/** After how long the host turns to another path. */
const PATIENCE_MS = 500;
/** For what the frozen gateway does with what lay in its sockets. */
const AFTERMATH_MS = 3_000;

/** Content of a block at one of its versions. */
function content(block: number, version: number): Buffer {
  const data = Buffer.alloc(BLOCK_BYTES);
  fillBlock(data, 0, SEED, block, version);
  return data;
}

test("a write that lay in a frozen gateway's socket undoes nothing that was written after its repetition elsewhere", async () => {
  const trial = await TrialUnderTest.make({ drives: 1 });
  try {
    const urls = await trial.volume("disk", "1GiB");
    const [first, second, third] = urls.map(parsePortal);
    const blocks = Array.from({ length: BLOCKS }, (_, index) => index * BLOCKS_PER_EXTENT);
    const options = { initiatorName: INITIATOR, queueDepth: BLOCKS };
    const connect = (portal: typeof first): Promise<Initiator> => {
      if (portal === undefined) throw new Error("the trial has three portals");
      return Initiator.connect(portal, options);
    };
    const elsewhere = await connect(second);
    const write = async (block: number, version: number): Promise<void> => {
      for (;;) {
        // BUSY is no outcome: hosts try again.
        const done = await elsewhere.write(block * SECTORS_PER_BLOCK, content(block, version)).then(() => true, (error: Error) => { if (!/status 0x8|sense 6\//.test(error.message)) throw error; return false; });
        if (done) return;
      }
    };
    let version = 0;
    for (const frozenMs of FROZEN_MS) {
      const gateway = await connect(first);
      await Promise.all(blocks.map((block) => gateway.read(block * SECTORS_PER_BLOCK, SECTORS_PER_BLOCK).catch(() => undefined)));
      const { pid } = trial.processOf("server1", "iscsi");
      const [old, repeated, newer] = [version + 1, version + 1, version + 2];
      version += 2;
      process.kill(pid, "SIGSTOP");
      const beganMs = performance.now();
      const late = blocks.map((block) => gateway.write(block * SECTORS_PER_BLOCK, content(block, old)).then(() => "done", (error: Error) => error.message));
      await Bun.sleep(PATIENCE_MS);
      await Promise.all(blocks.map((block) => write(block, repeated)));
      await Promise.all(blocks.map((block) => write(block, newer)));
      await Bun.sleep(Math.max(0, frozenMs - (performance.now() - beganMs)));
      process.kill(pid, "SIGCONT");
      // A host that has given the path up does not close it for that.
      await Bun.sleep(AFTERMATH_MS);
      gateway.destroy();
      const outcomes = new Map<string, number>();
      for (const outcome of await Promise.all(late)) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      note(`frozen for ${frozenMs} ms, the ${BLOCKS} late writes: ${[...outcomes].map(([what, times]) => `${times} x ${what}`).join(", ")}`);
      expect(await undone(await connect(third), blocks, newer)).toEqual([]);
      expect(await undone(await connect(first), blocks, newer)).toEqual([]);
    }
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);

/** The blocks that hold something else than `version`. */
async function undone(session: Initiator, blocks: readonly number[], version: number): Promise<string[]> {
  const wrong: string[] = [];
  for (const block of blocks) {
    const found = recognize(await session.read(block * SECTORS_PER_BLOCK, SECTORS_PER_BLOCK), 0, SEED, block);
    if (found.kind !== "version" || found.version !== version) wrong.push(`block ${block} holds ${found.kind === "version" ? `version ${found.version}` : found.kind} instead of ${version}`);
  }
  await session.logout();
  return wrong;
}
