import { clusterRecord, keys, parseValue, type ClusterRecord } from "../cluster/schema.ts";
import { currentJoinCode, type ShownCode } from "../formation/join-code.ts";
import type { StatusAnswer } from "../management/api.ts";
import type { Clock, Platform } from "../platform/platform.ts";
import { readFileSync } from "node:fs";
import { readTls } from "../role/tls.ts";
import type { Running } from "./appliance.ts";

/** A console looks every second or so; a store that is silent makes each question last for seconds. */
const FRESH_MS = 1_000;
/** Older than this it says nothing about now. */
const STALE_MS = 15_000;
/** When nothing is known yet, or only what is stale, the answer is waited for, but not as long as a silent store takes. */
const WAIT_MS = 800;
const STATUS_WITHIN_MS = 5_000;

/** What the console shows of the cluster, asked in the background: the console is answered soon, whatever is silent. */
export class Known {
  readonly #clock: Clock;
  readonly #status: Remembered<StatusAnswer>;
  readonly #code: Remembered<ShownCode | null>;
  readonly #cluster: Remembered<ClusterRecord | null>;

  constructor({ clock }: Platform) {
    this.#clock = clock;
    this.#status = new Remembered(clock);
    this.#code = new Remembered(clock);
    this.#cluster = new Remembered(clock);
  }

  status(running: Running): Promise<StatusAnswer | undefined> {
    return this.#status.look(() => askStatus(running));
  }
  async joinCode(running: Running): Promise<ShownCode | undefined> {
    const code = await this.#code.look(() => currentJoinCode(running.code));
    return code && code.expiresAtMs > this.#clock.wallMs() ? code : undefined;
  }
  forgetCode(): void {
    this.#code.forget();
  }
  async cluster(running: Running): Promise<ClusterRecord | undefined> {
    const record = await this.#cluster.look(async () => {
      const { found } = await running.store.get(keys.cluster);
      return found === null ? null : parseValue(clusterRecord, keys.cluster, found.value);
    }, Infinity);
    return record ?? undefined;
  }
}

/** The last answer to one question. */
class Remembered<T> {
  readonly #clock: Clock;
  #value: T | undefined;
  #atMs = -Infinity;
  #askedMs = -Infinity;
  #asking: Promise<void> | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What was answered last, no older than `staleMs`; asks again when that was a while ago. */
  async look(ask: () => Promise<T>, staleMs: number = STALE_MS): Promise<T | undefined> {
    const nowMs = this.#clock.nowMs();
    if (this.#asking === null && nowMs - this.#askedMs >= FRESH_MS) this.#asking = this.#ask(ask);
    const isStale = (): boolean => this.#value === undefined || this.#clock.nowMs() - this.#atMs > staleMs;
    if (isStale() && this.#asking !== null) {
      await Promise.race([this.#asking, new Promise<void>((resolve) => void this.#clock.timer(WAIT_MS, resolve))]);
    }
    return isStale() ? undefined : this.#value;
  }
  forget(): void {
    this.#atMs = -Infinity;
    this.#askedMs = -Infinity;
  }

  async #ask(ask: () => Promise<T>): Promise<void> {
    this.#askedMs = this.#clock.nowMs();
    try {
      this.#value = await ask();
      this.#atMs = this.#clock.nowMs();
    } catch {
      // What was known stays until it is stale.
    } finally {
      this.#asking = null;
    }
  }
}

/** From this server's own API, as everybody else gets it. */
export async function askStatus({ config }: Pick<Running, "config">): Promise<StatusAnswer> {
  const token = readFileSync(config.tokenFile, "utf8").trim();
  const response = await fetch(`https://${config.address}:${config.apiPort}/api/v1/status`, {
    headers: { authorization: `Bearer ${token}` },
    tls: { ca: readTls(config.tlsDirectory).authority },
    signal: AbortSignal.timeout(STATUS_WITHIN_MS),
  });
  if (!response.ok) throw new Error(`this server's API answered with HTTP status ${response.status}`);
  return (await response.json()) as StatusAnswer;
}
