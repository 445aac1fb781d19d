import { describe, expect, test } from "bun:test";
import type { DriveId, Instance, ServerName } from "../../src/base/ids.ts";
import { keys, type DriveRecord, type Observed } from "../../src/cluster/schema.ts";
import type { Log } from "../../src/platform/platform.ts";
import { MemoryStore } from "../../src/platform/store/memory.ts";
import { Registration } from "../../src/storage/registration.ts";
import { SimulatedProcess } from "../simulator/process.ts";
import { ProcessStore } from "../simulator/store.ts";
import { SimulatedTime } from "../simulator/time.ts";

const ID = "00000000000000aa" as DriveId;
const log: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };

/** Servers on which the drive answers whoever asks. */
const answering = new Set<string>();
const asked: string[] = [];

class Place {
  readonly refusals: string[] = [];
  /** What it observes. */
  readonly said = { usedBytes: 0 };
  registered = false;
  readonly client;
  readonly process: SimulatedProcess;
  readonly registration: Registration;
  constructor(time: SimulatedTime, store: MemoryStore, server: string, instance: number) {
    this.client = store.client(server);
    const record: DriveRecord = { id: ID, server: server as ServerName, address: server, port: 1, instance: instance as Instance, capacityBytes: 1 };
    const { said } = this;
    const observed = (): Observed => ({ instance: record.instance, groups: [], ...said }) as unknown as Observed;
    this.process = new SimulatedProcess(server, time, 0, 1);
    this.registration = new Registration(new ProcessStore(this.client, this.process), this.process, log, record, observed, (why) => this.refusals.push(why), async (place) => {
      asked.push(place.server);
      return answering.has(place.server);
    });
    void this.registration.start().then(() => (this.registered = this.refusals.length === 0));
  }
}
function world(): { time: SimulatedTime; store: MemoryStore; where(): string } {
  const time = new SimulatedTime();
  const store = new MemoryStore({ clock: time });
  return { time, store, where: () => (JSON.parse(store.find(keys.drive(ID))?.value ?? "{}") as Partial<DriveRecord>).server ?? "" };
}

// R22
describe("a disk with the identity of a drive", () => {
  test("is refused while that drive is alive on another server, which is not disturbed", () => {
    const { time, store, where } = world();
    const original = new Place(time, store, "s1", 5);
    time.pass(1000);
    const clone = new Place(time, store, "s2", 6);
    time.pass(60_000);
    expect(original.registered).toBe(true);
    expect(where()).toBe("s1");
    expect(clone.registered).toBe(false);
    expect(clone.refusals.join()).toContain("alive on server s1");
    expect(original.refusals).toEqual([]);
    expect(store.find(keys.upDrive(ID))).not.toBeNull();
  });

  test("is refused although that drive is down when it is not its newest run", () => {
    const { time, store, where } = world();
    const original = new Place(time, store, "s1", 5);
    time.pass(1000);
    void original.client.close();
    time.pass(30_000);
    const clone = new Place(time, store, "s2", 4);
    time.pass(30_000);
    expect(clone.refusals.join()).toContain("copy");
    expect(where()).toBe("s1");
  });

  test("is refused while that drive answers on another server, although the store has not heard of it for long", () => {
    const { time, store, where } = world();
    const original = new Place(time, store, "s1", 5);
    time.pass(1000);
    void original.client.close();
    time.pass(30_000);
    answering.add("s1");
    const clone = new Place(time, store, "s2", 6);
    time.pass(30_000);
    answering.clear();
    expect(clone.registered).toBe(false);
    expect(clone.refusals.join()).toContain("alive on server s1");
    expect(where()).toBe("s1");
  });

  test("that was moved to another server registers there when its old place has gone silent", () => {
    const { time, store, where } = world();
    const before = new Place(time, store, "s1", 5);
    time.pass(1000);
    void before.client.close();
    const moved = new Place(time, store, "s2", 6);
    time.pass(30_000);
    expect(moved.registered).toBe(true);
    expect(moved.refusals).toEqual([]);
    expect(where()).toBe("s2");
  });

  test("that was moved while the store had no quorum, and so let no lease run out, registers when it has one again", () => {
    const { time, store, where } = world();
    const before = new Place(time, store, "s1", 5);
    time.pass(1000);
    void before.client.close();
    const moved = new Place(time, store, "s2", 6);
    time.pass(1000);
    store.setAvailable(false);
    time.pass(20_000);
    store.setAvailable(true);
    time.pass(20_000);
    expect(moved.refusals).toEqual([]);
    expect(moved.registered).toBe(true);
    expect(where()).toBe("s2");
  });

  test("that was moved, and stood still while the store had no quorum, registers when its old place has gone silent", () => {
    const { time, store, where } = world();
    const before = new Place(time, store, "s1", 5);
    time.pass(1000);
    before.process.kill();
    const moved = new Place(time, store, "s2", 6);
    time.pass(1000);
    moved.process.stall();
    store.setAvailable(false);
    time.pass(11_000);
    store.setAvailable(true);
    time.pass(1);
    moved.process.resume();
    time.pass(20_000);
    expect(moved.refusals).toEqual([]);
    expect(moved.registered).toBe(true);
    expect(where()).toBe("s2");
  });

  test("that restarts in its place registers at once", () => {
    const { time, store } = world();
    const before = new Place(time, store, "s1", 5);
    time.pass(1000);
    void before.client.close();
    const again = new Place(time, store, "s1", 6);
    time.pass(100);
    expect(again.registered).toBe(true);
  });
});

describe("what a drive observes", () => {
  test("is in the store again although an earlier run's word arrives late and goes with that run's lease", () => {
    const time = new SimulatedTime();
    let late = false;
    const store = new MemoryStore({ clock: time, fate: (transaction, client) => (late && client === "s1" && transaction.puts?.some(({ key }) => key.startsWith("observed/")) ? { lateMs: 3000 } : "normal") });
    const first = new Place(time, store, "s1", 5);
    time.pass(2000);
    late = true;
    first.registration.changed();
    first.said.usedBytes = 1;
    time.pass(400);
    first.process.kill();
    late = false;
    const second = new Place(time, store, "s1", 6);
    second.said.usedBytes = 2;
    time.pass(60_000);
    expect(JSON.parse(store.find(keys.observed(ID))?.value ?? "{}")).toMatchObject({ instance: 6, usedBytes: 2 });
  });

  test("is what it observed last although an earlier word, whose outcome was never known, arrives after it", () => {
    const time = new SimulatedTime();
    let late = false;
    const store = new MemoryStore({ clock: time, fate: (transaction) => (late && transaction.puts?.some(({ key }) => key.startsWith("observed/")) ? { lateMs: 5000 } : "normal") });
    const place = new Place(time, store, "s1", 5);
    time.pass(2000);
    late = true;
    place.said.usedBytes = 1;
    place.registration.changed();
    time.pass(400);
    late = false;
    place.said.usedBytes = 2;
    place.registration.changed();
    time.pass(30_000);
    expect(JSON.parse(store.find(keys.observed(ID))?.value ?? "{}")).toMatchObject({ usedBytes: 2 });
  });
});
