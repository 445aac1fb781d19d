import { realClock } from "../../src/platform/clock.ts";
import { realRandom } from "../../src/platform/random.ts";
import { realCrypto } from "../../src/platform/crypto.ts";
import { MemoryStore, type MemoryStoreOptions } from "../../src/platform/store/memory.ts";
import type { Passwords } from "../../src/platform/passwords.ts";
import type { Clock, FatalReason, Log, Platform } from "../../src/platform/platform.ts";
import { createApp, type ApiApp } from "../../src/management/app.ts";
import { ClusterView } from "../../src/management/view.ts";
import { keys } from "../../src/cluster/schema.ts";
import type { DriveId } from "../../src/base/ids.ts";

export const TOKEN = "a-token-of-some-length-0123456789";
const GIB = 2 ** 30;

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

/** A platform of which the API uses the clock, the crypto and the log; the log's lines are kept. */
export function fakePlatform(lines: LogLine[] = [], clock = realClock()): Platform {
  const at = (level: string) => (message: string, fields: Record<string, unknown> = {}) => void lines.push({ level, message, fields });
  const log: Log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), child: () => log };
  const unused = (): never => {
    throw new Error("not in this test");
  };
  return {
    clock,
    crypto: realCrypto(),
    log,
    random: realRandom(),
    get network() {
      return unused();
    },
    get files() {
      return unused();
    },
    fatal: (reason: FatalReason, detail: string) => {
      throw new Error(`fatal ${reason}: ${detail}`);
    },
  };
}

/** No hashes: argon2id is tried in test/platform/passwords.test.ts. */
export const quickPasswords: Passwords = { hash: async (password) => `hash of ${password}`, verify: async (password, hash) => hash === `hash of ${password}` };

export const CREDENTIALS = { server: "server-1", token: TOKEN, clusterKey: new Uint8Array(32).fill(7), passwords: quickPasswords };

export interface Api {
  readonly app: ApiApp;
  readonly view: ClusterView;
  readonly lines: LogLine[];
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** A formed cluster of `servers` servers with one drive of 8 GiB each in a store in memory, and how to open APIs on it. */
export class ApiFixture {
  readonly store: MemoryStore;
  readonly #apis: Api[] = [];

  constructor(options: Partial<MemoryStoreOptions> = {}) {
    this.store = new MemoryStore({ clock: realClock(), ...options });
  }

  form(servers = 3): this {
    this.put(keys.cluster, { id: "0".repeat(32), name: "test", incarnation: 1, targetName: "iqn.2024-01.test.virtustor:cluster", formedAtMs: 1 });
    this.put(keys.pool(1), { factor: 1, groupCount: 4 });
    for (let n = 1; n <= servers; n++) {
      const server = `server-${n}`;
      const id = String(n).repeat(16) as DriveId;
      this.put(keys.server(server), { name: server, address: `127.0.0.${n}`, portalPort: 3260, apiPort: 3261, portalGroupTag: n });
      this.put(keys.drive(id), { id, server, address: `127.0.0.${n}`, port: 7000, instance: 1, capacityBytes: 8 * GIB });
      this.put(keys.upDrive(id), { instance: 1, sinceMs: 1 });
      this.put(keys.upServer(server), { instance: 1, sinceMs: 1 });
    }
    return this;
  }

  put(key: string, value: unknown): void {
    this.store.apply({ compares: [], puts: [{ key, value: JSON.stringify(value) }] });
  }

  read(key: string): unknown {
    const found = this.store.find(key);
    return found === null ? null : JSON.parse(found.value);
  }

  async open(name = "api"): Promise<Api> {
    const lines: LogLine[] = [];
    const platform = fakePlatform(lines);
    const store = this.store.client(name);
    const view = new ClusterView(platform, store);
    const app = createApp({ platform, store, view, ...CREDENTIALS });
    const api: Api = {
      app,
      view,
      lines,
      async call(method, path, body, headers = { authorization: `Bearer ${TOKEN}` }) {
        const sent = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
        const type: Record<string, string> = sent === null ? {} : { "content-type": "application/json" };
        const response = await app.fetch(new Request(`http://server${path}`, { method, headers: { ...type, ...headers }, body: sent }), { remote: "127.0.0.9" });
        const text = await response.text();
        return { status: response.status, type: response.headers.get("content-type") ?? "", headers: response.headers, body: text === "" ? {} : JSON.parse(text) };
      },
    };
    this.#apis.push(api);
    await settled(() => view.ready);
    return api;
  }

  close(): void {
    for (const api of this.#apis) api.view.close();
  }
}

/** A clock on which everything takes a fiftieth of the time, for tests that wait for the store's deadline. */
export function hastyClock(): Clock {
  const real = realClock();
  return { ...real, nowMs: () => real.nowMs() * 50, timer: (delayMs, run) => real.timer(delayMs / 50, run) };
}

/** Waits until `condition` holds; the test's own time limit ends it otherwise. */
export async function settled(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
