import { describe, expect, test } from "bun:test";
import { realClock } from "../../../src/platform/clock.ts";
import { MemoryStore } from "../../../src/platform/store/memory.ts";
import { put, storeContract, succeeded } from "../../contracts/store-contract.ts";

storeContract("the store in memory", async () => {
  const store = new MemoryStore({ clock: realClock(), latencyMs: () => Math.random() });
  const clients: { close(): Promise<void> }[] = [];
  return {
    client: () => {
      const client = store.client();
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
    const store = new MemoryStore({ clock: realClock(), fate: () => fate });
    const client = store.client();
    expect((await put(client, "a", "1", 0)).outcome).toBe("unknown");
    expect(store.find("a")?.value).toBe("1");
    fate = "lost";
    expect((await put(client, "b", "1", 0)).outcome).toBe("unknown");
    expect(store.find("b")).toBeNull();
  }, 20_000);

  test("a late transaction takes effect after another client has read the old state, unless that one wrote", async () => {
    const store = new MemoryStore({ clock: realClock(), fate: (_, client) => (client === "slow" ? { lateMs: 200 } : "normal") });
    const [slow, other] = [store.client("slow"), store.client("other")];
    const outcomes = [put(slow, "a", "late", 0), put(slow, "b", "late", 0)];
    expect((await other.get("a")).found).toBeNull();
    succeeded(await put(other, "b", "first", 0));
    for (const { outcome } of await Promise.all(outcomes)) expect(outcome).toBe("unknown");
    expect((await other.get("a")).found?.value).toBe("late");
    expect((await other.get("b")).found?.value).toBe("first");
  }, 20_000);

  test("a client that is cut off alone is unknown to itself only", async () => {
    const store = new MemoryStore({ clock: realClock() });
    const [cut, other] = [store.client(), store.client()];
    cut.setReachable(false);
    succeeded(await put(other, "a", "1", 0));
    expect((await put(cut, "a", "2", 0)).outcome).toBe("unknown");
    cut.setReachable(true);
    expect((await cut.get("a")).found?.value).toBe("1");
  }, 20_000);
});
