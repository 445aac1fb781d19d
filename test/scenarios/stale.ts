import { expect } from "bun:test";
import { ConnectionLost } from "../initiator/connection.ts";
import { Initiator, ScsiError } from "../initiator/initiator.ts";
import { LoginRefused } from "../initiator/login.ts";
import { parsePortal } from "../initiator/url.ts";
import type { Verifier } from "../initiator/verifier.ts";
import { INITIATOR, note } from "./trial-under-test.ts";

/** Longer than every lease, every patience with silent members, and the time after which a group counts as lost. */
const ALONE_MS = 15_000;
const LOGIN_WITHIN_MS = 60_000;
const READS_AT_ONCE = 4;
const HOST_PATIENCE_MS = 3_000;
/** RFC 7143 11.13.5. */
const SERVICE_UNAVAILABLE = 0x0302;

/**
 * Reads at random, as a host does that has this path alone, for as long as the good copy is away. What is answered must not be old;
 * that nothing is answered is right.
 */
export async function expectNothingOld(url: string, client: Verifier): Promise<void> {
  // Counted from the first login: a portal that was cut off takes none for a while.
  let untilMs = performance.now() + LOGIN_WITHIN_MS;
  let aloneSinceMs: number | null = null;
  const seen = new Map<string, number>();
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  const reader = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      try {
        const session = await Initiator.connect(parsePortal(url), { initiatorName: INITIATOR, commandTimeoutMs: HOST_PATIENCE_MS });
        count("logins");
        if (aloneSinceMs === null) untilMs = (aloneSinceMs = performance.now()) + ALONE_MS;
        while (performance.now() < untilMs) count(await outcomeOfRead(session, client));
        session.destroy();
      } catch (error) {
        const notYet = error instanceof LoginRefused && error.status === SERVICE_UNAVAILABLE;
        if (!notYet && !(error instanceof ConnectionLost)) throw error;
        count(notYet ? "logins refused" : "connections lost");
        await Bun.sleep(100);
      }
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, reader));
  note(`what a host saw through ${parsePortal(url).address} in ${ALONE_MS / 1000} s: ${[...seen].map(([what, times]) => `${times} ${what}`).join(", ")}`);
  // Otherwise nobody was asked.
  expect(seen.get("logins")).toBeGreaterThan(0);
  expect((seen.get("reads refused") ?? 0) + (seen.get("connections lost") ?? 0) + (seen.get("logins refused") ?? 0)).toBeGreaterThan(0);
}

async function outcomeOfRead(session: Initiator, client: Verifier): Promise<string> {
  const block = client.someWrittenBlock();
  try {
    client.expectNotOld(await session.read(block * 8, 8), block);
    return "good answers";
  } catch (error) {
    if (!(error instanceof ScsiError)) throw error;
    await Bun.sleep(50);
    return "reads refused";
  }
}
