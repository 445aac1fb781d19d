import { describe, expect, test } from "bun:test";
import { Arrival } from "../../src/base/arrival.ts";
import { keys } from "../../src/cluster/schema.ts";
import type { Unmap, Write } from "../../src/wire/messages.ts";
import { put, VOLUME, type Command } from "./fake-storage.ts";
import { pattern, World } from "./world.ts";

const DONE = { ok: true, value: null } as const;
const writes = (commands: readonly Command[]): Write[] => commands.filter((command) => command.type === "write");

describe("a volume", () => {
  test("reads back what was written, across extents and at any 512-byte block", async () => {
    const world = new World();
    const data = pattern(5 * 1024 * 1024 + 1536, 1);
    expect(await world.clock.until(world.volume.write(4001, data))).toEqual(DONE);
    const read = await world.clock.until(world.volume.read(4001, data.length / 512));
    expect(read.ok && read.value.equals(data)).toBe(true);
    expect(world.executedOnce()).toBe(true);
  });

  test("reads as zeros where nothing was written", async () => {
    const world = new World();
    const read = await world.clock.until(world.volume.read(3, 9000));
    expect(read.ok && read.value.equals(Buffer.alloc(9000 * 512))).toBe(true);
  });

  test("sends no piece over 1 MiB, over an extent's edge, or with a block that another piece has too", async () => {
    const world = new World();
    await world.clock.until(world.volume.write(5, pattern(6 * 1024 * 1024, 2)));
    const blocks = new Set<string>();
    for (const { key, firstSector, sectorCount, data } of writes(world.drives.flatMap((drive) => drive.received))) {
      expect(data.length).toBeLessThanOrEqual(1024 * 1024);
      expect(firstSector + sectorCount).toBeLessThanOrEqual(8192);
      for (let block = Math.floor(firstSector / 8); block * 8 < firstSector + sectorCount; block += 1) {
        expect(blocks.has(`${key.extent}/${block}`)).toBe(false);
        blocks.add(`${key.extent}/${block}`);
      }
    }
  });

  test("unmaps whole blocks by one message an extent and writes zeros at the edges", async () => {
    const world = new World();
    await world.clock.until(world.volume.write(0, pattern(9 * 1024 * 1024, 3)));
    for (const drive of world.drives) drive.received.length = 0;
    expect(await world.clock.until(world.volume.unmap(3, 16384 + 2))).toEqual(DONE);
    const sent = world.drives.flatMap((drive) => drive.received);
    const unmaps = sent.filter((command): command is Unmap => command.type === "unmap");
    expect(unmaps.map(({ range }) => [range.extent, range.first, range.count]).sort()).toEqual([[0, 1, 1023], [1, 0, 1024]]);
    expect(writes(sent).map(({ key, firstSector, sectorCount }) => [key.extent, firstSector, sectorCount]).sort()).toEqual([[0, 3, 5], [2, 0, 5]]);
    const read = await world.clock.until(world.volume.read(0, 16400));
    const expected = pattern(9 * 1024 * 1024, 3).subarray(0, 16400 * 512).fill(0, 3 * 512, 16389 * 512);
    expect(read.ok && read.value.equals(expected)).toBe(true);
  });

  test("grows with its record, and answers deleted when it is gone", async () => {
    const world = new World();
    const record = world.map.volumes.get(VOLUME);
    world.gateway.mapChanged([put(world.map, keys.volume(VOLUME), { ...record, sizeBytes: 1024 * 1024 * 1024 })]);
    expect(world.volume.sizeLbas).toBe(2 * 1024 * 1024);
    world.gateway.mapChanged([put(world.map, keys.volume(VOLUME), null)]);
    expect(await world.clock.until(world.volume.write(0, pattern(512, 1)))).toEqual({ ok: false, error: "deleted" });
    expect(world.gateway.volume(VOLUME)).toBeNull();
  });

  test("ends a command that waits for a primary as deleted when the volume goes away", async () => {
    const world = new World();
    for (const drive of world.drives) drive.behave = () => "unknown-volume";
    const written = world.volume.write(0, pattern(512, 1));
    await world.clock.pass(300);
    world.gateway.mapChanged([put(world.map, keys.volume(VOLUME), null)]);
    expect(await world.clock.until(written, 50)).toEqual({ ok: false, error: "deleted" });
  });
});

describe("a command that is refused", () => {
  for (const error of ["no-space", "read-only", "medium-error", "deleted"] as const) {
    test(`as ${error} tells its caller so`, async () => {
      const world = new World();
      for (const drive of world.drives) drive.behave = () => error;
      expect(await world.clock.until(world.volume.write(0, pattern(4096, 1)))).toEqual({ ok: false, error });
      expect(await world.clock.until(world.volume.read(0, 8))).toEqual({ ok: false, error });
    });
  }

  test("as late is unavailable to its caller and is never sent again", async () => {
    const world = new World();
    for (const drive of world.drives) drive.behave = () => "late";
    expect(await world.clock.until(world.volume.write(0, pattern(4096, 1)))).toEqual({ ok: false, error: "unavailable" });
    expect(world.drives.flatMap((drive) => drive.received).length).toBe(1);
  });

  test("in one piece waits for its other pieces before it answers", async () => {
    const world = new World();
    let first = true;
    for (const drive of world.drives) {
      drive.behave = (command) => {
        if (command.type !== "write" || command.key.extent > 0) return "ignore";
        const refused = first;
        first = false;
        return refused ? "no-space" : "serve";
      };
    }
    let answered = false;
    const written = world.volume.write(4096, pattern(4 * 1024 * 1024, 1)).finally(() => void (answered = true));
    await world.clock.pass(5_000);
    expect(answered).toBe(false);
    for (const drive of world.drives) drive.behave = () => "serve";
    for (const drive of world.drives) drive.dropChannels();
    expect(await world.clock.until(written)).toEqual({ ok: false, error: "no-space" });
  });

  test("as not-primary is the same operation when it is sent to the new primary", async () => {
    const world = new World();
    world.elect(0);
    world.drive(0).behave = () => "not-primary";
    const written = world.volume.write(0, pattern(4096, 1));
    await world.clock.pass(500);
    const refused = writes(world.drive(0).received);
    expect(refused.length).toBeGreaterThan(2);
    world.elect(1);
    expect(await world.clock.until(written, 20)).toEqual(DONE);
    const operations = new Set([...refused, ...writes(world.drive(1).received)].map(({ gateway, operation }) => `${gateway}:${operation}`));
    expect(operations.size).toBe(1);
  });
});

describe("a lost channel", () => {
  test("costs no error and no second execution, though the answer was lost with it", async () => {
    const world = new World();
    world.elect(0);
    world.drive(0).behave = () => "swallow-reply";
    const written = world.volume.write(8, pattern(8192, 1));
    await world.clock.pass(50);
    world.drive(0).behave = () => "serve";
    world.drive(0).dropChannels();
    expect(await world.clock.until(written)).toEqual(DONE);
    expect(world.content.executions.size).toBe(1);
    expect(world.executedOnce()).toBe(true);
  });

  test("is opened again to the process that took the drive over", async () => {
    const world = new World();
    world.elect(0);
    await world.clock.until(world.volume.write(0, pattern(512, 1)));
    world.drive(0).up = false;
    world.drive(0).dropChannels();
    const written = world.volume.write(0, pattern(512, 2));
    await world.clock.pass(3_000);
    world.drive(0).up = true;
    world.restart(0);
    expect(await world.clock.until(written, 100)).toEqual(DONE);
  });

  test("to a drive that moved is opened at the new address", async () => {
    const world = new World();
    world.elect(0);
    await world.clock.until(world.volume.write(0, pattern(512, 1)));
    world.dialer.ports.delete(7000);
    world.dialer.ports.set(7500, world.drive(0));
    world.register(0, 7500);
    expect(await world.clock.until(world.volume.write(0, pattern(512, 2)), 100)).toEqual(DONE);
    expect(world.drive(0).channels.size).toBe(1);
  });

  test("is not waited for once the death of its process is published", async () => {
    const world = new World();
    world.elect(0);
    world.drive(0).behave = () => "ignore";
    const written = world.volume.write(0, pattern(512, 1));
    await world.clock.pass(100);
    world.drive(0).behave = () => "serve";
    world.gateway.mapChanged([put(world.map, keys.death(world.drive(0).id), { instance: 1, atMs: 0, reason: "killed" })]);
    world.drive(0).instance = 2 as never;
    expect(await world.clock.until(written, 100)).toEqual(DONE);
  });

  test("is closed when nothing was said on it for long", async () => {
    const world = new World();
    world.elect(0);
    await world.clock.until(world.volume.write(0, pattern(512, 1)));
    await world.clock.pass(70_000);
    expect(world.drive(0).channels.size).toBe(0);
    expect(await world.clock.until(world.volume.write(0, pattern(512, 2)))).toEqual(DONE);
  });
});

describe("a primary that keeps silent", () => {
  test("is not asked twice on the same channel", async () => {
    const world = new World();
    world.elect(0);
    world.drive(0).behave = () => "ignore";
    void world.volume.write(0, pattern(512, 1));
    await world.clock.pass(20_000);
    expect(world.drive(0).received.length).toBe(1);
  });

  test("is left for the one the map names, and its late answer changes nothing", async () => {
    const world = new World();
    world.elect(0);
    world.drive(0).behave = () => "ignore";
    const written = world.volume.write(0, pattern(4096, 1));
    await world.clock.pass(1_000);
    world.elect(1);
    expect(await world.clock.until(written, 50)).toEqual(DONE);
    const { tag, group, epoch } = world.drive(0).received[0] as Command;
    for (const channel of world.drive(0).channels) channel.send({ type: "done", result: "no-space", clock: 1, tag, group, epoch });
    await world.clock.pass(100);
    expect((await world.clock.until(world.volume.read(0, 8))).ok).toBe(true);
  });

  test("makes the command unavailable after 25 s", async () => {
    const world = new World();
    for (const drive of world.drives) drive.behave = () => "ignore";
    const written = world.volume.write(0, pattern(2 * 1024 * 1024, 1));
    let answered = false;
    void written.then(() => void (answered = true));
    await world.clock.pass(24_500);
    expect(answered).toBe(false);
    await world.clock.pass(1_000);
    expect(await written).toEqual({ ok: false, error: "unavailable" });
  });

  test("does not stop commands behind a full window from being answered in time", async () => {
    const world = new World();
    for (const drive of world.drives) drive.behave = () => "ignore";
    const many = Array.from({ length: 40 }, (_, i) => world.volume.write(i * 8, pattern(4 * 1024 * 1024, i)));
    await world.clock.pass(26_000);
    expect((await Promise.all(many)).every((result) => !result.ok && result.error === "unavailable")).toBe(true);
    expect(world.drives.flatMap((drive) => drive.received).length).toBeLessThanOrEqual(64 + 16);
    for (const drive of world.drives) drive.behave = () => "serve";
    expect(await world.clock.until(world.volume.write(0, pattern(512, 1)))).toEqual(DONE);
  });
});

describe("operations and stamps", () => {
  test("oldestOpen is the lowest operation that has no answer yet", async () => {
    const world = new World();
    world.elect(0);
    expect(world.gateway.oldestOpen).toBe(1);
    world.drive(0).behave = (command) => (command.type === "write" && command.operation === 2 ? "ignore" : "serve");
    await world.clock.until(world.volume.write(0, pattern(512, 1)));
    const second = world.volume.write(8, pattern(512, 2));
    await world.clock.until(world.volume.write(16, pattern(512, 3)));
    await world.clock.until(world.volume.read(16, 1));
    await world.clock.until(world.volume.write(24, pattern(512, 4)));
    expect(world.gateway.oldestOpen).toBe(2);
    expect(writes(world.drive(0).received).map(({ oldestOpen }) => oldestOpen)).toEqual([1, 2, 2, 2]);
    world.drive(0).behave = () => "serve";
    world.drive(0).dropChannels();
    await world.clock.until(second);
    expect(world.gateway.oldestOpen).toBe(5);
  });

  test("a stamp is never later, in the primary's clock, than the command's arrival, and close to it", async () => {
    const world = new World();
    world.elect(0);
    await world.clock.until(world.volume.write(0, pattern(512, 1)));
    await world.clock.pass(1_000);
    const arrivedMs = world.clock.nowMs() + world.drive(0).clockOffsetMs;
    await world.clock.until(world.volume.write(0, pattern(512, 2)));
    const { stampMs, stampInstance } = world.drive(0).received[1] as Write;
    expect(stampInstance).toBe(world.drive(0).instance);
    expect(stampMs).toBeLessThanOrEqual(arrivedMs);
    expect(stampMs).toBeGreaterThan(arrivedMs - 120);
  });

  test("what is handed over after a stall of the event loop counts as received before it", async () => {
    const world = new World();
    world.elect(0);
    await world.clock.until(world.volume.write(0, pattern(512, 1)));
    await world.clock.pass(100);
    const beforeMs = world.clock.nowMs() + world.drive(0).clockOffsetMs;
    world.clock.stall(2_000);
    await world.clock.pass(0);
    await world.clock.until(world.volume.write(0, pattern(512, 2)));
    expect((world.drive(0).received[1] as Write).stampMs).toBeLessThanOrEqual(beforeMs);
  });
});

describe("a change (R15)", () => {
  test("does not leave before the clock that stamps it is known; a read does", async () => {
    const world = new World();
    world.elect(0);
    world.drive(0).tellsClock = false;
    const write = world.volume.write(0, pattern(512, 1));
    await world.clock.pass(500);
    expect(world.drive(0).received).toHaveLength(0);
    for (const channel of world.drive(0).channels) world.drive(0).tellClock(channel);
    expect(await world.clock.until(write)).toEqual(DONE);
    const { stampMs, stampInstance } = world.drive(0).received[0] as Write;
    expect(stampInstance).toBe(world.drive(0).instance);
    // Carried back: it was received half a second before that clock was heard.
    expect(stampMs).toBeLessThanOrEqual(world.clock.nowMs() + world.drive(0).clockOffsetMs - 500);
  });

  test("keeps its stamp, in the clock of whoever is primary now, however often it is sent", async () => {
    const world = new World();
    world.elect(0);
    await world.clock.until(world.volume.read(0, 1));
    world.drive(0).behave = () => "ignore";
    const arrivedMs = world.clock.nowMs();
    const write = world.volume.write(0, pattern(512, 1));
    await world.clock.pass(1_500);
    world.drive(1).clockOffsetMs = -300_000;
    world.elect(1);
    expect(await world.clock.until(write)).toEqual(DONE);
    const { stampMs, stampInstance } = world.drive(1).received.at(-1) as Write;
    expect(stampInstance).toBe(world.drive(1).instance);
    expect(stampMs - world.drive(1).clockOffsetMs).toBeLessThanOrEqual(arrivedMs);
    expect(stampMs - world.drive(1).clockOffsetMs).toBeGreaterThan(arrivedMs - 200);
  });

  test("that is late is BUSY to the host, and never stamped anew", async () => {
    const world = new World();
    world.elect(0);
    world.drive(0).behave = () => "late";
    expect(await world.clock.until(world.volume.write(0, pattern(512, 1)))).toEqual({ ok: false, error: "unavailable" });
    expect(world.drive(0).received).toHaveLength(1);
  });

  test("of a host that is gone is dropped when it was not sent, and not sent again when it was", async () => {
    const world = new World();
    world.elect(0);
    await world.clock.until(world.volume.read(0, 1));
    world.drive(0).received.length = 0;
    world.drive(0).behave = () => "ignore";
    const arrival = new Arrival(world.clock.nowMs());
    const sent = world.volume.write(0, pattern(512, 1), arrival);
    await world.clock.pass(20);
    expect(world.drive(0).received).toHaveLength(1);
    world.drive(0).up = false;
    world.drive(0).dropChannels();
    await world.clock.pass(1);
    const waits = world.volume.write(8, pattern(512, 2), arrival);
    const other = world.volume.write(16, pattern(512, 3));
    await world.clock.pass(20);
    arrival.cancel();
    expect(await world.clock.until(sent, 1_000)).toEqual({ ok: false, error: "unavailable" });
    expect(await world.clock.until(waits, 1_000)).toEqual({ ok: false, error: "unavailable" });
    world.drive(0).up = true;
    world.drive(0).behave = () => "serve";
    expect(await world.clock.until(other)).toEqual(DONE);
    expect(writes(world.drive(0).received).map(({ firstSector }) => firstSector)).toEqual([0, 16]);
  });

  test("that asks to compare is one piece with both halves, and tells where they differ", async () => {
    const world = new World();
    world.elect(0);
    world.drive(0).behave = (command) => (command.type === "compare-and-write" ? "miscompare" : "serve");
    const [expected, data] = [pattern(1024, 1), pattern(1024, 2)];
    expect(await world.clock.until(world.volume.compareAndWrite(8190, expected, data))).toEqual({ ok: true, value: 7 });
    const sent = world.drive(0).received.at(-1);
    if (sent?.type !== "compare-and-write") throw new Error("it was sent");
    expect([sent.firstSector, sent.sectorCount, sent.checksums.length]).toEqual([8190, 2, 2]);
    expect(sent.data.equals(Buffer.concat([expected, data]))).toBe(true);
    expect(() => world.volume.compareAndWrite(8191, expected, data)).toThrow("one primary");
  });
});

describe("I7: damaged data", () => {
  test("is asked for again", async () => {
    const world = new World();
    await world.clock.until(world.volume.write(0, pattern(8192, 1)));
    let times = 0;
    for (const drive of world.drives) drive.behave = () => ((times += 1) <= 2 ? "corrupt" : "serve");
    const read = await world.clock.until(world.volume.read(0, 16));
    expect(read.ok && read.value.equals(pattern(8192, 1))).toBe(true);
  });

  test("that stays so is a medium error, never an answer", async () => {
    const world = new World();
    await world.clock.until(world.volume.write(0, pattern(8192, 1)));
    for (const drive of world.drives) drive.behave = () => "corrupt";
    expect(await world.clock.until(world.volume.read(0, 16))).toEqual({ ok: false, error: "medium-error" });
    for (const drive of world.drives) expect(drive.received.length).toBeLessThanOrEqual(5);
  });
});

test("a gateway that stops ends its commands as unavailable and closes its channels", async () => {
  const world = new World();
  for (const drive of world.drives) drive.behave = () => "ignore";
  const written = world.volume.write(0, pattern(4096, 1));
  await world.clock.pass(100);
  world.gateway.close();
  expect(await written).toEqual({ ok: false, error: "unavailable" });
  await world.clock.pass(100);
  expect(world.drives.every((drive) => drive.channels.size === 0)).toBe(true);
});
