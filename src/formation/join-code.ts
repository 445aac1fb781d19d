import { JOIN_CODE_VALID_MS, JOIN_TRIES_MAX, joinCodeRecord, joiningKeys, type JoinCodeRecord } from "../cluster/joining.ts";
import { parseValue } from "../cluster/schema.ts";
import type { Clock, Random } from "../platform/platform.ts";
import type { Sealer } from "../platform/seal.ts";
import { StoreUnavailable, type ClusterStore } from "../platform/store.ts";
import { newJoinCode, showJoinCode } from "./code.ts";

const SALT_BYTES = 16;
const ABOUT = "the join code";

export interface CodeWorld {
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly sealer: Sealer;
}
/** A code as people see it. */
export interface ShownCode {
  readonly code: string;
  readonly expiresAtMs: number;
}

/** Makes a new code; the one before ends. Rejects with `StoreUnavailable`, also when the store did not confirm it. */
export async function makeJoinCode({ store, clock, random, sealer }: CodeWorld): Promise<ShownCode> {
  const code = newJoinCode(random);
  const expiresAtMs = clock.wallMs() + JOIN_CODE_VALID_MS;
  const record: JoinCodeRecord = { sealed: sealer.seal(code, ABOUT), salt: Buffer.from(random.bytes(SALT_BYTES)).toString("hex"), expiresAtMs, triesLeft: JOIN_TRIES_MAX };
  const outcome = await store.transact({ compares: [], puts: [{ key: joiningKeys.code, value: JSON.stringify(record) }] });
  if (outcome.outcome !== "success") throw new StoreUnavailable("the cluster store did not confirm the new join code");
  return { code: showJoinCode(code), expiresAtMs };
}

/** The code that is valid now; null when there is none. Rejects with `StoreUnavailable`. */
export async function currentJoinCode(world: CodeWorld): Promise<ShownCode | null> {
  const known = await readCode(world);
  return known === null || known.record.triesLeft === 0 ? null : { code: showJoinCode(known.code), expiresAtMs: known.record.expiresAtMs };
}

/** What a proof is compared with: the code, not expired; tries may be none left. */
export async function readCode({ store, clock, sealer }: CodeWorld): Promise<{ readonly code: string; readonly record: JoinCodeRecord; readonly revision: number } | null> {
  const { found } = await store.get(joiningKeys.code);
  if (found === null) return null;
  const record = parseValue(joinCodeRecord, joiningKeys.code, found.value);
  const code = sealer.open(record.sealed, ABOUT);
  return code === null || record.expiresAtMs <= clock.wallMs() ? null : { code, record, revision: found.revision };
}

/** Takes one try of the code with this salt, before a proof is looked at; returns how many are left then, null when there was none. */
export async function takeTry(world: CodeWorld, salt: string): Promise<number | null> {
  for (;;) {
    const known = await readCode(world);
    if (known === null || known.record.salt !== salt || known.record.triesLeft === 0) return null;
    const triesLeft = known.record.triesLeft - 1;
    const outcome = await put(world.store, { ...known.record, triesLeft }, known.revision);
    if (outcome === "success") return triesLeft;
    // A try whose outcome is unknown may have been taken; it is not given twice.
    if (outcome === "unknown") throw new StoreUnavailable("the cluster store did not confirm a try of the join code");
  }
}

/** Gives a try back, since its proof was right. */
export async function giveTryBack(world: CodeWorld, salt: string): Promise<void> {
  for (;;) {
    const known = await readCode(world);
    if (known === null || known.record.salt !== salt || known.record.triesLeft >= JOIN_TRIES_MAX) return;
    // Whatever became of it: at worst one try is lost.
    if ((await put(world.store, { ...known.record, triesLeft: known.record.triesLeft + 1 }, known.revision)) !== "refused") return;
  }
}

async function put(store: ClusterStore, record: JoinCodeRecord, revision: number): Promise<"success" | "refused" | "unknown"> {
  return (await store.transact({ compares: [{ key: joiningKeys.code, revision }], puts: [{ key: joiningKeys.code, value: JSON.stringify(record) }] })).outcome;
}
