import { expect, test } from "bun:test";
import { BLOCK_BYTES, fillBlock, recognize, SECTORS_PER_BLOCK } from "../initiator/content.ts";
import { BUSY, Initiator, ScsiError, UNIT_ATTENTION } from "../initiator/initiator.ts";
import { parsePortal } from "../initiator/url.ts";
import { INITIATOR, note, SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

/** A block in each of so many extents, so that every drive leads some. */
const BLOCKS = 48;
const BLOCKS_PER_EXTENT = 1_024;
const SEED = 7;
/** Below the age at which a gateway drops its sessions unread (3 s), close to it, and above every time-out. */
const FROZEN_MS: readonly number[] = [1_500, 2_500, 20_000];
/** After how long the host turns to another path. */
const PATIENCE_MS = 500;
const BUSY_AGAIN_MS = 50;
/** For what the frozen gateway does with what lay in its sockets. */
const AFTERMATH_MS = 3_000;

/** Content of a block at one of its versions. */
function content(block: number, version: number): Buffer {
  const data = Buffer.alloc(BLOCK_BYTES);
  fillBlock(data, 0, SEED, block, version);
  return data;
}

/** BUSY and unit attentions are no outcome: hosts try again. */
async function writeUntilDone(session: Initiator, block: number, version: number): Promise<void> {
  for (;;) {
    try {
      return await session.write(block * SECTORS_PER_BLOCK, content(block, version));
    } catch (error) {
      if (!(error instanceof ScsiError) || (error.status !== BUSY && error.sense?.key !== UNIT_ATTENTION)) throw error;
      await Bun.sleep(BUSY_AGAIN_MS);
    }
  }
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
    let version = 0;
    for (const frozenMs of FROZEN_MS) {
      const gateway = await connect(first);
      await Promise.all(blocks.map((block) => gateway.read(block * SECTORS_PER_BLOCK, SECTORS_PER_BLOCK).catch(() => undefined)));
      const { pid } = trial.processOf("server1", "iscsi");
      const [old, repeated, newer] = [version + 1, version + 1, version + 2];
      version += 2;
      process.kill(pid, "SIGSTOP");
      const beganMs = performance.now();
      const late = blocks.map((block) => gateway.write(block * SECTORS_PER_BLOCK, content(block, old)).then(() => "done", (error: Error) => error.message.replace(/^write of .*: /, "")));
      await Bun.sleep(PATIENCE_MS);
      await Promise.all(blocks.map((block) => writeUntilDone(elsewhere, block, repeated)));
      await Promise.all(blocks.map((block) => writeUntilDone(elsewhere, block, newer)));
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
