import { afterEach, beforeEach, expect, test } from "bun:test";
import { UNREAD_MS_MAX } from "../../src/base/arrival.ts";
import { ConnectionLost } from "../initiator/connection.ts";
import { Initiator } from "../initiator/initiator.ts";
import { parsePortal } from "../initiator/url.ts";
import { INITIATOR, startTarget, until, type Fixture } from "./fixture.ts";
import { TARGET } from "./memory-access.ts";
import { RawInitiator } from "./raw-initiator.ts";

let fixture: Fixture;
beforeEach(async () => {
  fixture = await startTarget();
});
afterEach(() => fixture.stop());

const WRITE_ONE = "2a 00 00000000 00 0001 00";
const write = (host: RawInitiator, byte: number): number => host.command(WRITE_ONE, { flags: 0xa0, expected: 512, data: Buffer.alloc(512, byte) });
const loginStatus = async (): Promise<number> => {
  const host = await RawInitiator.connect(fixture.port);
  const { status } = await host.login({ isid: "800000000077" });
  host.destroy();
  return status;
};
const initiator = (): Promise<Initiator> => Initiator.connect(parsePortal(`iscsi://127.0.0.1:${fixture.port}/${TARGET}/0`), { initiatorName: INITIATOR });

test("a portal that suspends closes every session at once, and refuses logins as long as it said", async () => {
  const one = await RawInitiator.loggedIn(fixture.port, { isid: "800000000001" });
  const two = await RawInitiator.loggedIn(fixture.port, { isid: "800000000002" });
  fixture.target.suspend(5_000, "a test says so");
  await Promise.all([one.closing(), two.closing()]);
  expect(fixture.target.sessions()).toEqual([]);
  expect(fixture.lines.filter((line) => line.includes("a test says so"))).toHaveLength(2);
  // Target error, out of resources: a host tries it again later, and takes another path now.
  expect(await loginStatus()).toBe(0x0302);
  fixture.skip(4_000);
  // A shorter word does not end a longer one.
  fixture.target.suspend(10, "again");
  fixture.skip(500);
  expect(await loginStatus()).toBe(0x0302);
  fixture.skip(1_000);
  expect(await loginStatus()).toBe(0);
});

// R15
test("what a host sent is cancelled when its portal drops the session, and is not answered", async () => {
  const host = await RawInitiator.loggedIn(fixture.port);
  fixture.volume.hold();
  write(host, 1);
  await until(() => fixture.volume.calls.length === 1, "the write has begun");
  expect(fixture.volume.calls[0]!.arrival!.cancelled).toBe(false);
  fixture.target.suspend(1_000, "a test says so");
  expect(fixture.volume.calls[0]!.arrival!.cancelled).toBe(true);
  await host.closing();
  fixture.volume.release();
  await expect(host.next()).rejects.toThrow("closed");
});

// R15
test("what a host sent is cancelled when the host goes", async () => {
  const host = await RawInitiator.loggedIn(fixture.port);
  fixture.volume.hold();
  write(host, 1);
  await until(() => fixture.volume.calls.length === 1, "the write has begun");
  host.destroy();
  await until(() => fixture.target.sessions().length === 0, "the session has ended");
  expect(fixture.volume.calls[0]!.arrival!.cancelled).toBe(true);
});

// R15
test("what a host sent is cancelled when the host logs out, and what one of its sessions lost another one keeps", async () => {
  const host = await RawInitiator.loggedIn(fixture.port, { isid: "800000000001" });
  const other = await RawInitiator.loggedIn(fixture.port, { isid: "800000000002" });
  fixture.volume.hold();
  write(host, 1);
  await until(() => fixture.volume.calls.length === 1, "the write has begun");
  write(other, 2);
  await until(() => fixture.volume.calls.length === 2, "the other one too");
  const header = RawInitiator.header(0x46, 0x80);
  header.writeUInt32BE(0x99, 16);
  header.writeUInt32BE(0, 20);
  header.writeUInt32BE(host.commandNumber, 24);
  host.send(header);
  // Before the host is told, since it may go on elsewhere then.
  expect((await host.next()).opcode).toBe(0x26);
  expect(fixture.volume.calls.map(({ arrival }) => arrival!.cancelled)).toEqual([true, false]);
  await host.closing();
  fixture.volume.release();
  expect((await other.next()).header[3]).toBe(0);
  other.destroy();
});

// R15
test("what lay unread while the portal stood still is dropped with its session, and the host may come back", async () => {
  const host = await RawInitiator.loggedIn(fixture.port);
  const begun = fixture.volume.calls.length;
  fixture.stall(2 * UNREAD_MS_MAX);
  write(host, 1);
  await host.closing();
  expect(fixture.volume.calls).toHaveLength(begun);
  expect(fixture.lines.filter((line) => line.includes("stood still for too long"))).toHaveLength(1);
  // Two ticks of the arrivals' clock: from then on it is known that what is read is new.
  fixture.skip(2_000);
  const again = await RawInitiator.loggedIn(fixture.port);
  write(again, 2);
  expect((await again.next()).header[3]).toBe(0);
  expect(fixture.volume.peek(0, 1)).toEqual(Buffer.alloc(512, 2));
  again.destroy();
});

// R15
test("a host that says nothing loses its session too when the portal stood still, and a short pause costs none", async () => {
  const host = await RawInitiator.loggedIn(fixture.port);
  fixture.stall(UNREAD_MS_MAX / 2);
  write(host, 1);
  expect((await host.next()).header[3]).toBe(0);
  fixture.stall(2 * UNREAD_MS_MAX);
  await host.closing();
});

test("an initiator learns of a dropped session at once, and finds the same data when it is let in again", async () => {
  const first = await initiator();
  await first.write(8, Buffer.alloc(512, 3));
  fixture.volume.hold();
  const waiting = first.write(0, Buffer.alloc(512, 4));
  await until(() => fixture.volume.calls.length === 2, "the write has begun");
  fixture.target.suspend(2_000, "a test says so");
  await expect(waiting).rejects.toThrow(ConnectionLost);
  await expect(initiator()).rejects.toThrow();
  fixture.volume.release();
  fixture.skip(2_500);
  const second = await initiator();
  expect(await second.read(8, 1)).toEqual(Buffer.alloc(512, 3));
  await second.logout();
});
