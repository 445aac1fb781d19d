import { describe, expect, test } from "bun:test";
import type { Clock, Timer } from "../../../src/platform/platform.ts";
import { realClock } from "../../../src/platform/clock.ts";
import { MemoryStore } from "../../../src/platform/store/memory.ts";
import { storeContract } from "../../contracts/store-contract.ts";
import { put, succeeded } from "../../contracts/store-steps.ts";

storeContract("the store in memory", async () => {
  const store = new MemoryStore({ clock: realClock(), latencyMs: () => Math.random() });
  const clients: { close(): Promise<void> }[] = [];
  return {
    client: (deadlineMs) => {
      const client = store.client("client", deadlineMs);
      clients.push(client);
      return client;
    },
    kill: async () => store.setAvailable(false),
    restart: async () => store.setAvailable(true),
    close: async () => void (await Promise.all(clients.map((client) => client.close()))),
  };
});

describe("faults of the store in memory", () => {
  test("a transaction whose answer is lost has taken effect, one whose request is lost has not", async () => {
    let fate: "normal" | "unanswered" | "lost" = "unanswered";
    const store = new MemoryStore({ clock: realClock(), deadlineMs: 500, fate: () => fate });
    const client = store.client();
    expect((await put(client, "a", "1", 0)).outcome).toBe("unknown");
    expect(store.find("a")?.value).toBe("1");
    fate = "lost";
    expect((await put(client, "b", "1", 0)).outcome).toBe("unknown");
    expect(store.find("b")).toBeNull();
  }, 20_000);

  test("a late transaction takes effect after another client has read the old state, unless that one wrote", async () => {
    const store = new MemoryStore({ clock: realClock(), deadlineMs: 500, fate: (_, client) => (client === "slow" ? { lateMs: 200 } : "normal") });
    const [slow, other] = [store.client("slow"), store.client("other")];
    const outcomes = [put(slow, "a", "late", 0), put(slow, "b", "late", 0)];
    expect((await other.get("a")).found).toBeNull();
    succeeded(await put(other, "b", "first", 0));
    for (const { outcome } of await Promise.all(outcomes)) expect(outcome).toBe("unknown");
    expect((await other.get("a")).found?.value).toBe("late");
    expect((await other.get("b")).found?.value).toBe("first");
  }, 20_000);

  test("a client that is cut off alone is unknown to itself only", async () => {
    const store = new MemoryStore({ clock: realClock(), deadlineMs: 500 });
    const [cut, other] = [store.client(), store.client()];
    cut.setReachable(false);
    succeeded(await put(other, "a", "1", 0));
    expect((await put(cut, "a", "2", 0)).outcome).toBe("unknown");
    cut.setReachable(true);
    expect((await cut.get("a")).found?.value).toBe("1");
  }, 20_000);
});

/** A clock that jumps from timer to timer, as a simulation's does. */
class ManualClock implements Clock {
  #nowMs = 1_000;
  #timers: { atMs: number; run: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return this.#nowMs;
  }
  soon(run: () => void): void {
    this.timer(0, run);
  }
  timer(delayMs: number, run: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }
  async runUntil(endMs: number): Promise<void> {
    for (;;) {
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      const next = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#nowMs = next.atMs;
      next.run();
    }
    this.#nowMs = endMs;
  }
}

test("the store in memory does the same again on the same clock and the same chance", async () => {
  const history = async (): Promise<string[]> => {
    const clock = new ManualClock();
    let seed = 7;
    const chance = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const store = new MemoryStore({
      clock,
      latencyMs: () => chance() * 20,
      fate: () => (chance() < 0.1 ? "unanswered" : chance() < 0.1 ? { lateMs: 500 } : "normal"),
    });
    const told: string[] = [];
    const note = (text: string): void => void told.push(`${clock.nowMs().toFixed(3)} ${text}`);
    for (const name of ["a", "b"]) {
      const client = store.client(name);
      client.watch("", {
        snapshot: (entries) => note(`${name} snapshot ${entries.length}`),
        changed: (changes) => note(`${name} ${JSON.stringify(changes)}`),
      });
      void (async () => {
        const lease = await client.lease(2_000);
        lease.onLost(() => note(`${name} lost its lease`));
        for (let round = 0; round < 30; round++) {
          const { outcome } = await client.transact({ compares: [], puts: [{ key: `k${round % 3}`, value: name, lease }] });
          note(`${name} ${outcome}`);
        }
      })();
    }
    clock.timer(4_000, () => store.setAvailable(false));
    clock.timer(9_000, () => store.setAvailable(true));
    await clock.runUntil(60_000);
    return told;
  };
  const first = await history();
  expect(await history()).toEqual(first);
  for (const what of ["unknown", "success", "lost its lease", "null", "snapshot 0"]) expect(first.some((line) => line.includes(what))).toBe(true);
});
