import type { Timer } from "../platform/platform.ts";
import type { ChangedEvent, Topic } from "./api/sessions.ts";
import type { ApiContext } from "./app.ts";
import { Problem } from "./problem.ts";

/** Browser tabs and programs that listen to one server at once. */
const CLIENTS_MAX = 64;
/** What changes within this time is told at once: a recovery changes something every few milliseconds. */
const GATHER_MS = 300;
/** Shorter than the time after which the server closes a connection that says nothing. */
const HEARTBEAT_MS = 10_000;
/** A client that leaves so many bytes unread is cut off; it connects anew and asks for everything. */
const UNREAD_BYTES_MAX = 16 * 1024;

const ALL: readonly Topic[] = ["status", "alerts", "statistics", "volumes", "hosts", "servers", "sessions", "users", "settings", "audit"];
/** What a change of a key of this kind may change in the API's answers; of any other kind it is the status. */
const TOPICS: Readonly<Record<string, readonly Topic[]>> = {
  volume: ["volumes", "status"],
  "volume-name": [],
  mapping: ["volumes", "hosts"],
  host: ["hosts"],
  iqn: [],
  server: ["servers", "status"],
  drive: ["servers", "status"],
  up: ["servers", "status"],
  failed: ["servers", "status"],
  drain: ["servers", "status"],
  removed: ["servers", "status"],
  "add-drive": ["servers"],
  "free-drives": ["servers"],
  observed: ["servers", "status"],
  alert: ["alerts", "status"],
  event: ["alerts"],
  checked: [],
  notified: [],
  statistics: ["statistics"],
  sessions: ["sessions"],
  user: ["users"],
  settings: ["settings"],
  notifications: ["settings"],
  "audit-log": ["audit"],
  "audit-log-newest": [],
  "session-ended": [],
  fence: [],
  obeyed: [],
};

interface Client {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** False: the session has ended. */
  allowed(): boolean;
}

/** Server-sent events: says which of the API's answers may have changed, to everybody who listens. */
export class Streams {
  readonly #context: Pick<ApiContext, "view" | "platform">;
  readonly #clients = new Set<Client>();
  readonly #changed = new Set<Topic>();
  #gathering: Timer | null = null;
  #heartbeat: Timer | null = null;
  #stopListening: (() => void) | null = null;

  constructor(context: Pick<ApiContext, "view" | "platform">) {
    this.#context = context;
  }

  open(allowed: () => boolean): Response {
    if (this.#clients.size >= CLIENTS_MAX) throw new Problem("busy", `${CLIENTS_MAX} clients listen to this server already. Close some, or ask another server.`);
    let client: Client | null = null;
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          client = { controller, allowed };
          this.#add(client);
          this.#send(client, eventOf(ALL));
        },
        cancel: () => {
          if (client !== null) this.#remove(client);
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: UNREAD_BYTES_MAX }),
    );
    return new Response(stream, { headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" } });
  }

  #add(client: Client): void {
    this.#clients.add(client);
    this.#stopListening ??= this.#context.view.onChange((keys) => this.#gather(keys));
    if (this.#heartbeat === null) this.#beat();
  }

  #remove(client: Client): void {
    this.#clients.delete(client);
    if (this.#clients.size > 0) return;
    this.#stopListening?.();
    this.#heartbeat?.cancel();
    this.#gathering?.cancel();
    this.#stopListening = this.#heartbeat = this.#gathering = null;
    this.#changed.clear();
  }

  #gather(keys: readonly string[]): void {
    for (const key of keys) for (const topic of TOPICS[key.split("/", 1)[0] ?? ""] ?? ["status"]) this.#changed.add(topic);
    if (this.#changed.size === 0) return;
    this.#gathering ??= this.#context.platform.clock.timer(GATHER_MS, () => {
      this.#gathering = null;
      const text = eventOf([...this.#changed]);
      this.#changed.clear();
      for (const client of [...this.#clients]) this.#send(client, text);
    });
  }

  #beat(): void {
    this.#heartbeat = this.#context.platform.clock.timer(HEARTBEAT_MS, () => {
      this.#heartbeat = null;
      for (const client of [...this.#clients]) this.#send(client, ": still here\n\n");
      if (this.#clients.size > 0) this.#beat();
    });
  }

  #send(client: Client, text: string): void {
    const { controller } = client;
    if (client.allowed() && (controller.desiredSize ?? 0) > 0) return controller.enqueue(new TextEncoder().encode(text));
    this.#remove(client);
    try {
      controller.close();
    } catch {
      // The client was faster.
    }
  }
}

function eventOf(topics: readonly Topic[]): string {
  return `event: changed\ndata: ${JSON.stringify({ topics } satisfies ChangedEvent)}\n\n`;
}
