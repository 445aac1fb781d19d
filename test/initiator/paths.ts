import { ConnectionLost } from "./connection.ts";
import { Initiator, type InitiatorOptions } from "./initiator.ts";
import { parsePortal, type Portal } from "./url.ts";

/** Between two rounds over all portals. */
const AGAIN_MS = 250;

/** What a host's multipath does, one path at a time: it stays with a session while it lasts, then takes the next portal that lets it in. */
export class Paths {
  readonly #portals: readonly Portal[];
  readonly #options: InitiatorOptions;
  #current: Initiator | null = null;
  #connecting: Promise<Initiator> | null = null;
  #stopped = false;
  /** Sessions made after the first. */
  reconnections = 0;

  /** `urls`: in the order of preference. */
  constructor(urls: readonly string[], options: InitiatorOptions) {
    this.#portals = urls.map(parsePortal);
    this.#options = options;
  }

  /** The session; a new one when the last has ended. Rejects with `ConnectionLost` when no portal lets it in until `deadlineMs` of performance.now(). */
  session(deadlineMs: number): Promise<Initiator> {
    if (this.#current !== null && !this.#current.isClosed) return Promise.resolve(this.#current);
    this.#connecting ??= this.#connect(deadlineMs).finally(() => (this.#connecting = null));
    return this.#connecting;
  }

  /** Back to the first portal, when the session is with another one. Commands under way are retried by their callers. */
  failBack(): void {
    if (this.#current !== null && this.#current.portal !== this.#portals[0]) this.#current.destroy("going back to the preferred portal");
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#connecting?.catch(() => undefined);
    await this.#current?.logout();
  }

  async #connect(deadlineMs: number): Promise<Initiator> {
    let reason = "no portal";
    while (!this.#stopped) {
      for (const portal of this.#portals) {
        try {
          const initiator = await Initiator.connect(portal, this.#options);
          if (this.#current !== null) this.reconnections++;
          this.#current = initiator;
          return initiator;
        } catch (error) {
          reason = (error as Error).message;
        }
      }
      if (performance.now() > deadlineMs) break;
      await Bun.sleep(AGAIN_MS);
    }
    throw new ConnectionLost(`no portal lets this initiator in: ${reason}`);
  }
}
