import { expect } from "bun:test";
import { Verifier, type VerifierOptions } from "../initiator/verifier.ts";
import { INITIATOR, note, type TrialUnderTest } from "./trial-under-test.ts";

/** 256 MiB: 64 extents, so that every drive has some. */
export const LOAD_BLOCKS = 65_536;

/** A verifying client on every portal of a new volume, already at work. */
export async function startLoad(trial: TrialUnderTest, options: Partial<VerifierOptions> = {}): Promise<Verifier> {
  const urls = await trial.volume("load", "1GiB");
  const client = new Verifier({ urls, initiatorName: INITIATOR, blocks: LOAD_BLOCKS, ...options });
  client.start();
  await client.progress(100);
  client.interval();
  return client;
}

/** Ends the load, and reads all that it wrote through every portal. */
export async function expectAllThere(trial: TrialUnderTest, client: Verifier): Promise<void> {
  await client.stop();
  await expectReadable(trial, client);
}

/** Reads all that was written through every portal. The client must have been stopped. */
export async function expectReadable(trial: TrialUnderTest, client: Verifier): Promise<void> {
  for (const { portal } of trial.servers) {
    const blocks = await client.verify(`iscsi://${portal}/${trial.report.target}/0`);
    expect(blocks).toBeGreaterThan(0);
  }
  if (client.complaints.length > 0) note(trial.lastWords());
  expect(client.complaints).toEqual([]);
  note(client.summary());
}

/** Says what hosts felt since the last call. */
export function noteInterval(client: Verifier, event: string): void {
  const { acknowledged, longestGapMs, longestWriteMs } = client.interval();
  note(`${event}: ${acknowledged} writes, longest gap without any ${longestGapMs} ms, longest single write ${longestWriteMs} ms`);
}
