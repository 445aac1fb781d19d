import type { Change, ClusterStore, Origin, Outcome, Versioned, WatchEvents } from "../../src/platform/store.ts";

/** Follows a watch, and notes every place where its revisions do not follow one another. */
export class Recorder implements WatchEvents {
  state = new Map<string, Versioned>();
  snapshots = 0;
  revisions: number[] = [];
  lastRevision = 0;
  gaps: string[] = [];

  snapshot(entries: readonly Versioned[], origin: Origin): void {
    this.snapshots++;
    this.state = new Map(entries.map((entry) => [entry.key, entry]));
    if (origin.revision < this.lastRevision) this.gaps.push(`snapshot ${origin.revision} after ${this.lastRevision}`);
    this.lastRevision = origin.revision;
  }

  changed(changes: readonly Change[]): void {
    for (const { key, value, revision } of changes) {
      if (value === null) this.state.delete(key);
      else this.state.set(key, { key, value, revision });
      if (revision !== this.lastRevision + 1 && revision !== this.lastRevision) this.gaps.push(`${revision} after ${this.lastRevision}`);
      this.revisions.push(revision);
      this.lastRevision = revision;
    }
  }

  entries(): Versioned[] {
    return [...this.state.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

export function put(client: ClusterStore, key: string, value: string, revision: number): Promise<Outcome> {
  return client.transact({ compares: [{ key, revision }], puts: [{ key, value }] });
}

export function succeeded(outcome: Outcome): number {
  if (outcome.outcome !== "success") throw new Error(`not a success: ${JSON.stringify(outcome)}`);
  return outcome.revision;
}

export async function reads(client: ClusterStore): Promise<boolean> {
  return client.get("any").then(
    () => true,
    () => false,
  );
}

/** `count` puts of 50 keys under "w/", sixteen at a time; the revisions they were told. */
export async function writeMany(client: ClusterStore, count: number): Promise<number[]> {
  const revisions: number[] = [];
  let next = 0;
  const write = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const value = String(index);
      revisions.push(succeeded(await client.transact({ compares: [], puts: [{ key: `w/${index % 50}`, value }] })));
    }
  };
  await Promise.all(Array.from({ length: 16 }, write));
  return revisions;
}

/** Waits for what must come; the test's own limit ends it when it does not. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
