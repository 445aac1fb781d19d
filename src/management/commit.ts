import type { ClusterStore, Transaction } from "../platform/store.ts";
import { Problem } from "./problem.ts";

/** Each round of a refused change means that another one got through, so few administrators ever see the second. */
const ROUNDS_MAX = 32;
/** One try and one to settle it: with the store's own deadline for each, an administrator has waited long enough. */
const SENDS_MAX = 2;

export interface Proof {
  readonly key: string;
  readonly value: string | null;
}

export interface Change<T> {
  readonly transaction: Transaction;
  /** The key that shows that the transaction took effect, with the value it then has; null: the key is gone. */
  readonly proof: Proof;
  /** What the change, once made, is reported as. */
  readonly result: T;
  /** For the sentence when the outcome stays unknown: "create the volume db". */
  readonly what: string;
}

/**
 * Makes one change by compare-and-set: `prepare` reads the store and names the change, or throws a `Problem`. When another
 * change came between, it is prepared afresh. Every transaction given here must hold compares that fail once it has taken effect, so that
 * sending it again is safe: that settles an unknown outcome (R8).
 */
export async function commit<T>(store: ClusterStore, prepare: () => Promise<Change<T>>): Promise<T> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const change = await prepare();
    switch (await send(store, change)) {
      case "done":
        return change.result;
      case "refused":
        continue;
      case "unknown":
        throw new Problem(
          "outcome-unknown",
          `The cluster store did not confirm the request to ${change.what}: it may or may not have taken effect. Look before you try again.`,
        );
    }
  }
  throw new Problem("busy", "Other changes kept coming between. Try again.");
}

async function send(store: ClusterStore, { transaction, proof }: Change<unknown>): Promise<"done" | "refused" | "unknown"> {
  let doubtful = false;
  for (let sends = 0; sends < SENDS_MAX; sends++) {
    const { outcome } = await store.transact(transaction);
    if (outcome === "success") return "done";
    if (outcome === "refused") return doubtful ? await settle(store, proof) : "refused";
    doubtful = true;
  }
  return "unknown";
}

/** Refused after a try without an answer: either that one took effect, and its proof says so, or somebody else's change did. */
async function settle(store: ClusterStore, proof: Proof): Promise<"done" | "refused" | "unknown"> {
  try {
    const { found } = await store.get(proof.key);
    return (found?.value ?? null) === proof.value ? "done" : "refused";
  } catch {
    return "unknown";
  }
}
