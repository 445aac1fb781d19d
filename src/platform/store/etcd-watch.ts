import * as v from "valibot";
import type { Platform, Timer } from "../platform.ts";
import { StoreUnavailable } from "../store.ts";
import type { Range, WatchEvents } from "../store.ts";
import type { EtcdEndpoint } from "./etcd-endpoint.ts";
import type { EtcdMembers } from "./etcd-members.ts";
import { change, getRequest, origin, rangeAnswer, watchMessage, watchRequest } from "./etcd-messages.ts";

/** A watch is told nothing when its member hangs or has lost the others, so the member is asked this often. */
const PROBE_INTERVAL_MS = 2_000;
/** As long as an election takes; then another member may do better. */
const PROBE_DEADLINE_MS = 3_000;
const RESTART_FIRST_MS = 20;
const RESTART_MAX_MS = 1_000;

/** One prefix: a snapshot at revision r, then etcd's own watch from r + 1; after any trouble the same from the start. */
export class EtcdWatch {
  readonly #platform: Platform;
  readonly #members: EtcdMembers;
  readonly #range: (prefix: string) => Promise<Range>;
  readonly #prefix: string;
  readonly #events: WatchEvents;
  #stream: { close(): void } | null = null;
  #timer: Timer | null = null;
  #restartMs = RESTART_FIRST_MS;
  #closed = false;

  constructor(platform: Platform, members: EtcdMembers, range: (prefix: string) => Promise<Range>, prefix: string, events: WatchEvents) {
    this.#platform = platform;
    this.#members = members;
    this.#range = range;
    this.#prefix = prefix;
    this.#events = events;
    void this.#start();
  }

  close(): void {
    this.#closed = true;
    this.#stream?.close();
    this.#timer?.cancel();
  }

  async #start(): Promise<void> {
    let snapshot: Range;
    try {
      snapshot = await this.#range(this.#prefix);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      return this.#restart(error.message);
    }
    if (this.#closed) return;
    const { entries, ...from } = snapshot;
    this.#events.snapshot(entries, from);
    // The callback may have closed it.
    if (this.#closed) return;
    const endpoint = this.#members.preferred;
    this.#stream = endpoint.stream("/v3/watch", watchRequest(this.#prefix, from.revision + 1), {
      message: (body) => this.#message(body),
      ended: (reason) => {
        this.#members.avoid(endpoint);
        this.#restart(reason);
      },
    });
    this.#probeLater(endpoint);
  }

  #message(body: unknown): void {
    const parsed = v.safeParse(watchMessage, body);
    if (!parsed.success) return this.#restart("etcd's message has another form");
    const { result } = parsed.output;
    if (result.canceled) return this.#restart(result.cancel_reason === "" ? `compacted at ${result.compact_revision}` : result.cancel_reason);
    this.#restartMs = RESTART_FIRST_MS;
    if (result.events.length > 0) this.#events.changed(result.events.map(change), origin(result.header));
  }

  #probeLater(endpoint: EtcdEndpoint): void {
    this.#timer?.cancel();
    this.#timer = this.#platform.clock.timer(PROBE_INTERVAL_MS, () => void this.#probe(endpoint));
  }

  async #probe(endpoint: EtcdEndpoint): Promise<void> {
    const stream = this.#stream;
    let failure: string | null = null;
    try {
      const { status, body } = await endpoint.post("/v3/kv/range", getRequest("probe"), PROBE_DEADLINE_MS);
      if (status !== 200 || !v.is(rangeAnswer, body)) failure = `etcd answered with HTTP status ${status}`;
    } catch (error) {
      failure = (error as Error).message;
    }
    if (this.#closed || this.#stream !== stream || stream === null) return;
    if (failure === null) return this.#probeLater(endpoint);
    this.#members.avoid(endpoint);
    this.#restart(failure);
  }

  #restart(reason: string): void {
    if (this.#closed) return;
    this.#platform.log.debug("A watch of the cluster store starts again", { prefix: this.#prefix, reason });
    this.#stream?.close();
    this.#stream = null;
    this.#timer?.cancel();
    const delayMs = this.#restartMs * (0.5 + this.#platform.random.float() / 2);
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MAX_MS);
    this.#timer = this.#platform.clock.timer(delayMs, () => void this.#start());
  }
}
