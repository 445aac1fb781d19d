import type { ClusterStore, Outcome, Range, Read, StoreLease, Transaction, Watch, WatchEvents } from "../../src/platform/store.ts";
import type { MemoryClient } from "../../src/platform/store/memory.ts";
import type { SimulatedProcess } from "./process.ts";

/** A process's way to the store: answers and watches reach it as everything else does, so that it can stall and die. */
export class ProcessStore implements ClusterStore {
  readonly #client: MemoryClient;
  readonly #process: SimulatedProcess;
  /** What watches have to tell, while they lag. */
  #lagging: (() => void)[] | null = null;
  constructor(client: MemoryClient, process: SimulatedProcess) {
    this.#client = client;
    this.#process = process;
    process.onDeath.push(() => void client.close());
  }
  get(key: string): Promise<Read> {
    return this.#answer(this.#client.get(key));
  }
  range(prefix: string): Promise<Range> {
    return this.#answer(this.#client.range(prefix));
  }
  transact(transaction: Transaction): Promise<Outcome> {
    return this.#answer(this.#client.transact(transaction));
  }
  watch(prefix: string, events: WatchEvents): Watch {
    let closed = false;
    const tell = (run: () => void): void => this.#process.happen(() => closed || run());
    const happen = (run: () => void): void => (this.#lagging ? void this.#lagging.push(() => tell(run)) : tell(run));
    const watch = this.#client.watch(prefix, {
      snapshot: (entries, origin) => happen(() => events.snapshot(entries, origin)),
      changed: (changes, origin) => happen(() => events.changed(changes, origin)),
    });
    return {
      close: () => {
        closed = true;
        watch.close();
      },
    };
  }
  async lease(ttlMs: number): Promise<StoreLease> {
    const lease = await this.#answer(this.#client.lease(ttlMs));
    // The store's own object goes into its transactions; only the news of its loss takes the process's way.
    const { onLost } = lease;
    lease.onLost = (run) => onLost.call(lease, () => this.#process.happen(run));
    return lease;
  }
  /** From now on watches tell nothing, until `catchUp`; everything else is as ever. */
  lag(): void {
    this.#lagging ??= [];
  }
  catchUp(): void {
    const late = this.#lagging ?? [];
    this.#lagging = null;
    for (const run of late) run();
  }
  async close(): Promise<void> {
    await this.#client.close();
  }
  #answer<T>(asked: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      asked.then(
        (value) => this.#process.happen(() => resolve(value)),
        (error: Error) => this.#process.happen(() => reject(error)),
      );
    });
  }
}
