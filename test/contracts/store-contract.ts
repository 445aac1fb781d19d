import { afterEach, describe, expect, test } from "bun:test";
import { StoreUnavailable } from "../../src/platform/store.ts";
import type { Change, ClusterStore, Outcome } from "../../src/platform/store.ts";
import { put, reads, Recorder, sleep, succeeded, until, writeMany } from "./store-steps.ts";

/** A store with its server, as the contract drives it. */
export interface StoreUnderTest {
  /** A client of its own. */
  client(deadlineMs: number): ClusterStore;
  /** The server dies at once, without being told. */
  kill(): Promise<void>;
  /** The server is back with what it had made durable. */
  restart(): Promise<void>;
  /** Ends server and clients and removes all traces. */
  close(): Promise<void>;
}

const TEST_TIMEOUT_MS = 60_000;
/** The shortest lease that all stores grant as asked. */
const LEASE_MS = 3_000;
/** For requests that must be answered, on however busy a machine. */
const PATIENT_MS = 20_000;
/** For requests that nobody will answer. */
const IMPATIENT_MS = 1_000;

/** What every `ClusterStore` promises (see src/platform/store.ts). `make` gives a fresh and empty store. */
export function storeContract(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    const open: StoreUnderTest[] = [];
    const start = async (): Promise<StoreUnderTest> => {
      const store = await make();
      open.push(store);
      return store;
    };
    const behaves = (what: string, run: (store: StoreUnderTest) => Promise<void>): void => {
      test(what, async () => run(await start()), TEST_TIMEOUT_MS);
    };
    afterEach(async () => {
      for (const store of open.splice(0)) await store.close();
    });

    behaves("a key is created only when it does not exist", async (store) => {
      const client = store.client(PATIENT_MS);
      const created = succeeded(await put(client, "a", "1", 0));
      expect(await put(client, "a", "2", 0)).toEqual({ outcome: "refused" });
      expect((await client.get("a")).found).toEqual({ key: "a", value: "1", revision: created });
    });

    behaves("a key is changed and deleted only at the revision that was read", async (store) => {
      const client = store.client(PATIENT_MS);
      const first = succeeded(await put(client, "a", "1", 0));
      const second = succeeded(await put(client, "a", "2", first));
      expect(second).toBeGreaterThan(first);
      expect(await put(client, "a", "3", first)).toEqual({ outcome: "refused" });
      expect(await client.transact({ compares: [{ key: "a", revision: first }], deletes: ["a"] })).toEqual({ outcome: "refused" });
      succeeded(await client.transact({ compares: [{ key: "a", revision: second }], deletes: ["a"] }));
      expect((await client.get("a")).found).toBeNull();
      succeeded(await put(client, "a", "4", 0));
    });

    behaves("a refused transaction changes nothing, a successful one everything at one revision", async (store) => {
      const client = store.client(PATIENT_MS);
      const a = succeeded(await put(client, "a", "1", 0));
      const b = succeeded(await put(client, "b", "1", 0));
      const both = (wrongBy: number): Promise<Outcome> =>
        client.transact({
          compares: [{ key: "a", revision: a }, { key: "b", revision: b + wrongBy }],
          puts: [{ key: "a", value: "2" }, { key: "c", value: "2" }],
          deletes: ["b"],
        });
      const before = await client.range("");
      expect(await both(1)).toEqual({ outcome: "refused" });
      expect(await client.range("")).toEqual(before);
      const revision = succeeded(await both(0));
      const after = await client.range("");
      expect(after.entries).toEqual([{ key: "a", value: "2", revision }, { key: "c", value: "2", revision }]);
      expect(after.revision).toBe(revision);
    });

    behaves("a transaction that changes nothing leaves the revision alone", async (store) => {
      const client = store.client(PATIENT_MS);
      const revision = succeeded(await put(client, "a", "1", 0));
      expect(await client.transact({ compares: [{ key: "a", revision }] })).toEqual({ outcome: "success", revision });
      expect(await client.transact({ compares: [], deletes: ["b"] })).toEqual({ outcome: "success", revision });
    });

    behaves("a transaction that breaks the limits is a bug of the caller", async (store) => {
      const client = store.client(PATIENT_MS);
      const puts = Array.from({ length: 129 }, (_, index) => ({ key: `k${index}`, value: "" }));
      await expect(client.transact({ compares: [], puts })).rejects.toThrow("at most 128");
      await expect(client.transact({ compares: [], puts: [{ key: "a", value: "" }], deletes: ["a"] })).rejects.toThrow("once");
      await expect(client.transact({ compares: [], puts: [{ key: "a", value: "x".repeat(500_000) }] })).rejects.toThrow("bytes");
      await expect(client.get("ä")).rejects.toThrow("ASCII");
      succeeded(await client.transact({ compares: [], puts: puts.slice(0, 128) }));
    });

    behaves("values come back as they were put, also large ones and odd ones", async (store) => {
      const client = store.client(PATIENT_MS);
      const values = ["", "ä€𝄞 \u0000 \\ \" \n", "x".repeat(400_000), JSON.stringify({ a: [1, null] })];
      for (const [index, value] of values.entries()) succeeded(await put(client, `v/${index}`, value, 0));
      expect((await client.range("v/")).entries.map(({ value }) => value)).toEqual(values);
      expect((await client.get("v/1")).found?.value).toBe(values[1]!);
    });

    behaves("a range is what begins with the prefix, sorted by key", async (store) => {
      const client = store.client(PATIENT_MS);
      for (const key of ["pg/10", "pg/2", "pg/~", "pg/A", "pg/a/b", "pg", "ph/1", "pg0", "of/1"]) succeeded(await put(client, key, key, 0));
      expect((await client.range("pg/")).entries.map(({ key }) => key)).toEqual(["pg/10", "pg/2", "pg/A", "pg/a/b", "pg/~"]);
      expect((await client.range("nothing/")).entries).toEqual([]);
      expect((await client.range("")).entries).toHaveLength(9);
    });

    behaves("a large range arrives whole", async (store) => {
      const client = store.client(PATIENT_MS);
      const value = "y".repeat(1000);
      const batches = Array.from({ length: 30 }, (_, batch) =>
        client.transact({ compares: [], puts: Array.from({ length: 100 }, (_, index) => ({ key: `big/${batch}/${index}`, value })) }),
      );
      for (const outcome of await Promise.all(batches)) succeeded(outcome);
      expect((await client.range("big/")).entries).toHaveLength(3000);
    });

    behaves("each answer says which store it is from and at which revision", async (store) => {
      const client = store.client(PATIENT_MS);
      const empty = await client.get("a");
      expect(empty.storeId).toMatch(/^[!-~]+$/);
      expect(empty.revision).toBeGreaterThan(0);
      const revision = succeeded(await put(client, "a", "1", 0));
      for (const answer of [await client.get("a"), await client.range(""), await store.client(PATIENT_MS).get("b")]) {
        expect(answer.storeId).toBe(empty.storeId);
        expect(answer.revision).toBe(revision);
      }
    });

    behaves("a read sees what any client was told is written", async (store) => {
      const clients = [store.client(PATIENT_MS), store.client(PATIENT_MS), store.client(PATIENT_MS)];
      let last = 0;
      for (let round = 0; round < 60; round++) {
        last = succeeded(await put(clients[round % 3]!, "a", String(round), last));
        const reads = await Promise.all(clients.map((client) => client.get("a")));
        for (const read of reads) expect(read.found).toEqual({ key: "a", value: String(round), revision: last });
      }
    });

    behaves("of two clients that change one key at the same revision, exactly one wins", async (store) => {
      const [left, right] = [store.client(PATIENT_MS), store.client(PATIENT_MS)];
      let revision = 0;
      for (let round = 0; round < 200; round++) {
        const outcomes = await Promise.all([put(left, "a", `left ${round}`, revision), put(right, "a", `right ${round}`, revision)]);
        expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(["refused", "success"]);
        const { found } = await left.get("a");
        expect(found?.value).toBe(outcomes[0]!.outcome === "success" ? `left ${round}` : `right ${round}`);
        revision = found!.revision;
      }
    });

    behaves("hundreds of transactions at once are all answered", async (store) => {
      const client = store.client(PATIENT_MS);
      const outcomes = await Promise.all(Array.from({ length: 512 }, (_, index) => put(client, `pg/${index}`, "{}", 0)));
      expect(new Set(outcomes.map(succeeded)).size).toBe(512);
    });

    behaves("a watch begins with a snapshot and then tells every change, in order", async (store) => {
      const [writer, reader] = [store.client(PATIENT_MS), store.client(PATIENT_MS)];
      succeeded(await put(writer, "w/0", "before", 0));
      succeeded(await put(writer, "x/0", "not watched", 0));
      const seen = new Recorder();
      const watch = reader.watch("w/", seen);
      await until(() => seen.snapshots === 1);
      expect([...seen.state.keys()]).toEqual(["w/0"]);
      const told = await writeMany(writer, 1000);
      await until(() => seen.revisions.length === 1000);
      expect(seen.revisions).toEqual(told.toSorted((a, b) => a - b));
      expect(seen.snapshots).toBe(1);
      expect(seen.entries()).toEqual([...(await reader.range("w/")).entries]);
      watch.close();
      watch.close();
      succeeded(await put(writer, "w/0", "after", (await writer.get("w/0")).found!.revision));
      await writer.get("w/0");
      expect(seen.revisions).toHaveLength(1000);
    });

    behaves("a watch goes on after the server was killed and came back, without a gap", async (store) => {
      const [writer, reader] = [store.client(PATIENT_MS), store.client(PATIENT_MS)];
      const seen = new Recorder();
      reader.watch("w/", seen);
      await until(() => seen.snapshots === 1);
      await writeMany(writer, 200);
      await until(() => seen.revisions.length === 200);
      await store.kill();
      await store.restart();
      await until(async () => (await put(writer, "w/back", "1", 0)).outcome !== "unknown");
      await until(() => seen.state.has("w/back"));
      const told = await writeMany(writer, 200);
      await until(() => seen.lastRevision >= Math.max(...told));
      expect(seen.snapshots).toBeGreaterThan(1);
      expect(seen.gaps).toEqual([]);
      expect(seen.entries()).toEqual([...(await reader.range("w/")).entries]);
    });

    behaves("a change of many keys is told at once, deletions too", async (store) => {
      const client = store.client(PATIENT_MS);
      succeeded(await put(client, "w/1", "1", 0));
      const calls: (readonly Change[])[] = [];
      const seen = new Recorder();
      client.watch("w/", { snapshot: (entries, origin) => seen.snapshot(entries, origin), changed: (changes) => void calls.push(changes) });
      await until(() => seen.snapshots === 1);
      const puts = [{ key: "w/2", value: "z".repeat(200_000) }, { key: "w/3", value: "z".repeat(200_000) }, { key: "x", value: "" }];
      const revision = succeeded(await client.transact({ compares: [], puts, deletes: ["w/1"] }));
      await until(() => calls.length > 0);
      expect(calls).toHaveLength(1);
      expect(calls[0]!.map((change) => [change.key, change.value?.length, change.revision]).sort()).toEqual([
        ["w/1", undefined, revision],
        ["w/2", 200_000, revision],
        ["w/3", 200_000, revision],
      ]);
    });

    behaves("keys under a lease last while its client lives, and vanish after it stops", async (store) => {
      const [owner, other] = [store.client(PATIENT_MS), store.client(PATIENT_MS)];
      const lease = await owner.lease(LEASE_MS);
      let lost = false;
      lease.onLost(() => (lost = true));
      succeeded(await owner.transact({ compares: [], puts: [{ key: "l/1", value: "1", lease }, { key: "l/2", value: "2" }] }));
      await sleep(LEASE_MS * 2);
      expect((await other.get("l/1")).found?.value).toBe("1");
      const seen = new Recorder();
      other.watch("l/", seen);
      await until(() => seen.snapshots === 1);
      await owner.close();
      await until(() => !seen.state.has("l/1"));
      expect((await other.range("l/")).entries.map(({ key }) => key)).toEqual(["l/2"]);
      expect(lost).toBe(false);
    });

    behaves("revoking a lease removes its keys at once; putting a key without it takes the key out", async (store) => {
      const client = store.client(PATIENT_MS);
      const lease = await client.lease(LEASE_MS * 10);
      let lost = false;
      lease.onLost(() => (lost = true));
      succeeded(await client.transact({ compares: [], puts: [{ key: "l/1", value: "1", lease }, { key: "l/2", value: "2", lease }] }));
      succeeded(await client.transact({ compares: [], puts: [{ key: "l/2", value: "kept" }] }));
      await lease.revoke();
      expect((await client.range("l/")).entries.map(({ key }) => key)).toEqual(["l/2"]);
      expect(await client.transact({ compares: [], puts: [{ key: "l/3", value: "", lease }] })).toEqual({ outcome: "refused" });
      expect(lost).toBe(false);
    });

    behaves("a lease is lost when the store is away for longer than it lasts", async (store) => {
      const client = store.client(IMPATIENT_MS);
      const lease = await client.lease(LEASE_MS);
      let lost = 0;
      lease.onLost(() => lost++);
      await store.kill();
      await until(() => lost > 0);
      await store.restart();
      await until(() => reads(client));
      expect(lost).toBe(1);
      await until(async () => (await client.transact({ compares: [], puts: [{ key: "l", value: "", lease }] })).outcome === "refused");
    });

    behaves("a lease survives a short restart of the server", async (store) => {
      const client = store.client(PATIENT_MS);
      const lease = await client.lease(LEASE_MS * 5);
      let lost = false;
      lease.onLost(() => (lost = true));
      succeeded(await client.transact({ compares: [], puts: [{ key: "l/1", value: "1", lease }] }));
      await store.kill();
      await store.restart();
      await until(() => reads(client));
      await sleep(LEASE_MS);
      expect((await client.get("l/1")).found?.value).toBe("1");
      expect(lost).toBe(false);
    });

    behaves("while the server is away reads reject and transactions are unknown; then all goes on by itself", async (store) => {
      const client = store.client(IMPATIENT_MS);
      const revision = succeeded(await put(store.client(PATIENT_MS), "a", "1", 0));
      await until(() => reads(client));
      await store.kill();
      const fresh = store.client(IMPATIENT_MS);
      const [read, range, lease, written, neverConnected] = await Promise.all([
        client.get("a").catch((error: unknown) => error),
        client.range("").catch((error: unknown) => error),
        client.lease(LEASE_MS).catch((error: unknown) => error),
        put(client, "a", "2", revision),
        put(fresh, "a", "3", revision),
      ]);
      for (const error of [read, range, lease]) expect(error).toBeInstanceOf(StoreUnavailable);
      expect(written.outcome).toBe("unknown");
      expect(neverConnected.outcome).toBe("unknown");
      await store.restart();
      await until(() => reads(client));
      await until(() => reads(fresh));
      const { found } = await fresh.get("a");
      expect(["1", "2", "3"]).toContain(found!.value);
      await until(async () => {
        const now = (await fresh.get("a")).found!;
        return (await put(fresh, "a", "4", now.revision)).outcome === "success";
      });
      expect((await client.get("a")).found?.value).toBe("4");
    });

    behaves("everything that was answered as done is there after the server was killed amid it", async (store) => {
      const client = store.client(IMPATIENT_MS);
      const done = new Map<string, number>();
      const attempted = new Set<string>();
      let stopped = false;
      const writers = Array.from({ length: 16 }, async (_, writer) => {
        for (let index = 0; !stopped && index < 100_000; index++) {
          const key = `w/${writer}/${index}`;
          attempted.add(key);
          const outcome = await put(client, key, key, 0);
          if (outcome.outcome === "success") done.set(key, outcome.revision);
        }
      });
      await until(() => done.size > 300);
      await store.kill();
      stopped = true;
      await Promise.all(writers);
      await store.restart();
      await until(() => reads(client));
      const kept = new Map((await client.range("w/")).entries.map((entry) => [entry.key, entry]));
      for (const [key, revision] of done) expect(kept.get(key)).toEqual({ key, value: key, revision });
      for (const key of kept.keys()) expect(attempted.has(key)).toBe(true);
    });

    behaves("a closed client answers no more and tells nothing", async (store) => {
      const client = store.client(PATIENT_MS);
      const seen = new Recorder();
      client.watch("", seen);
      await client.close();
      await client.close();
      await expect(client.get("a")).rejects.toBeInstanceOf(StoreUnavailable);
      expect((await put(client, "a", "1", 0)).outcome).toBe("unknown");
      expect(seen.snapshots).toBe(0);
    });
  });
}
