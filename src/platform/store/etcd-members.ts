import * as v from "valibot";
import type { Platform } from "../platform.ts";
import { StoreUnavailable } from "../store.ts";
import { EtcdEndpoint, EtcdUnanswered } from "./etcd-endpoint.ts";
import type { EtcdAddress, EtcdAnswer } from "./etcd-endpoint.ts";
import { errorAnswer } from "./etcd-messages.ts";
import type { TlsIdentity } from "./tls-socket.ts";

/** After a failure that came at once, so that a store without a leader is not flooded. */
const RETRY_PAUSE_MS = 50;

/** etcd answered, but with an error. */
export class EtcdRefusal extends Error {
  override name = "EtcdRefusal";
  readonly code: number;
  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

/** The members of the store as one: asks the one that answered last, and another when it does not answer. */
export class EtcdMembers {
  readonly #platform: Platform;
  readonly #tls: TlsIdentity | undefined;
  #endpoints: readonly EtcdEndpoint[];
  readonly #deadlineMs: number;
  #preferred = 0;
  #closed = false;

  constructor(platform: Platform, addresses: readonly EtcdAddress[], tls: TlsIdentity | undefined, deadlineMs: number) {
    this.#platform = platform;
    this.#tls = tls;
    this.#endpoints = addresses.map((address) => new EtcdEndpoint(platform, address, tls));
    this.#deadlineMs = deadlineMs;
  }

  /** From now on these are the members; what an endpoint that is no more among them was asked has no answer. */
  know(addresses: readonly EtcdAddress[]): void {
    if (this.#closed || addresses.length === 0) return;
    const preferred = this.preferred;
    const known = new Map(this.#endpoints.map((endpoint) => [endpoint.name, endpoint]));
    const next = addresses.map((address) => {
      const made = new EtcdEndpoint(this.#platform, address, this.#tls);
      return known.get(made.name) ?? made;
    });
    for (const endpoint of this.#endpoints) if (!next.includes(endpoint)) endpoint.close();
    this.#endpoints = next;
    this.#preferred = Math.max(0, next.indexOf(preferred));
  }
  get addresses(): readonly EtcdAddress[] {
    return this.#endpoints.map(({ address }) => address);
  }

  get preferred(): EtcdEndpoint {
    return this.#endpoints[this.#preferred]!;
  }

  /** Passes over `endpoint` from now on, unless that has happened already. */
  avoid(endpoint: EtcdEndpoint): void {
    if (this.preferred === endpoint) this.#preferred = (this.#preferred + 1) % this.#endpoints.length;
  }

  /** A request that changes nothing, or nothing when repeated: asked of one member after the other. Rejects with `StoreUnavailable`. */
  async read<T>(path: string, body: object, answer: v.GenericSchema<unknown, T>, deadlineMs = this.#deadlineMs): Promise<T> {
    const { clock } = this.#platform;
    const endMs = clock.nowMs() + deadlineMs;
    // A member that hangs must leave time for the others.
    const shareMs = deadlineMs / Math.min(3, this.#endpoints.length);
    let reason = "";
    while (!this.#closed) {
      const leftMs = endMs - clock.nowMs();
      if (leftMs <= 0) throw new StoreUnavailable(`the cluster store did not answer within ${deadlineMs} ms: ${reason}`);
      const endpoint = this.preferred;
      try {
        return parse(await endpoint.post(path, body, Math.min(leftMs, shareMs)), answer);
      } catch (error) {
        if (!(error instanceof EtcdUnanswered || error instanceof EtcdRefusal)) throw error;
        if (error instanceof EtcdRefusal && isFinal(error)) throw error;
        this.avoid(endpoint);
        reason = error.message;
      }
      await new Promise<void>((resolve) => void clock.timer(RETRY_PAUSE_MS, resolve));
    }
    throw new StoreUnavailable("the cluster store's client is closed");
  }

  /**
   * A request that must not take effect twice. It goes on to another member only while it was never sent. Rejects with
   * `EtcdUnanswered`, or with `EtcdRefusal` for etcd's own errors, of which only some are definite.
   */
  async once<T>(path: string, body: object, answer: v.GenericSchema<unknown, T>): Promise<T> {
    const { clock } = this.#platform;
    const endMs = clock.nowMs() + this.#deadlineMs;
    for (;;) {
      const endpoint = this.preferred;
      try {
        if (this.#closed) throw new EtcdUnanswered("the cluster store's client is closed", true);
        return parse(await endpoint.post(path, body, Math.max(1, endMs - clock.nowMs())), answer);
      } catch (error) {
        if (!(error instanceof EtcdRefusal && isFinal(error))) this.avoid(endpoint);
        const again = error instanceof EtcdUnanswered && !error.sent && clock.nowMs() + RETRY_PAUSE_MS < endMs;
        if (!again) throw error;
      }
      await new Promise<void>((resolve) => void clock.timer(RETRY_PAUSE_MS, resolve));
    }
  }

  close(): void {
    this.#closed = true;
    for (const endpoint of this.#endpoints) endpoint.close();
  }
}

export function parse<T>({ status, body }: EtcdAnswer, answer: v.GenericSchema<unknown, T>): T {
  if (status !== 200) {
    const error = v.safeParse(errorAnswer, body);
    if (error.success) throw new EtcdRefusal(error.output.message, error.output.code);
    throw new EtcdUnanswered(`etcd answered with HTTP status ${status}`, true);
  }
  const parsed = v.safeParse(answer, body);
  if (!parsed.success) throw new EtcdUnanswered(`etcd's answer has another form: ${parsed.issues[0].message}`, true);
  return parsed.output;
}

/** gRPC codes that no other member would answer otherwise: invalid argument, not found, out of range (compacted). */
function isFinal({ code }: EtcdRefusal): boolean {
  return code === 3 || code === 5 || code === 11;
}
