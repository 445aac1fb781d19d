import { expect, test } from "bun:test";
import type { DriveId, Instance } from "../../src/base/ids.ts";
import type { Dialer } from "../../src/wire/dialer.ts";
import { LocalDialer } from "../../src/wire/local.ts";
import type { Channel, ChannelEvents, Message, Peer } from "../../src/wire/messages.ts";
import { settle } from "../volume/fake-platform.ts";
import { EXAMPLES } from "./examples.ts";

const SELF: Peer = { kind: "gateway", id: "5", instance: 5 as Instance };
const HERE = "00000000000000a1" as DriveId;

function recorder(): { messages: Message[]; closed: string[]; events: ChannelEvents } {
  const messages: Message[] = [];
  const closed: string[] = [];
  return { messages, closed, events: { message: (message) => void messages.push(message), closed: (reason) => void closed.push(reason) } };
}

test("a drive of this process is reached without a socket, in order, and never inside the call that sends", async () => {
  const [drive, caller] = [recorder(), recorder()];
  let far: Channel | null = null;
  const none: Dialer = { dial: () => Promise.reject(new Error("not here")) };
  const accept = (channel: Channel): ChannelEvents => {
    far = channel;
    return drive.events;
  };
  const dialer = new LocalDialer(SELF, none, new Map([[HERE, { instance: 8 as Instance, refuse: () => null, accept }]]));
  const channel = await dialer.dial({ driveId: HERE, address: "", port: 0 }, () => caller.events);
  expect([channel.peer.instance, (far as Channel | null)?.peer]).toEqual([8 as Instance, SELF]);
  channel.send(EXAMPLES.write);
  channel.send(EXAMPLES.read);
  expect(drive.messages).toEqual([]);
  await settle();
  expect(drive.messages).toEqual([EXAMPLES.write, EXAMPLES.read]);
  (far as Channel | null)?.send(EXAMPLES.done);
  await settle();
  expect(caller.messages).toEqual([EXAMPLES.done]);
  channel.close("enough");
  channel.send(EXAMPLES.read);
  await settle();
  expect([drive.closed, caller.closed, drive.messages.length]).toEqual([["enough"], ["enough"], 2]);
});

test("a drive of another process is reached through the other dialer", async () => {
  const asked: DriveId[] = [];
  const remote: Dialer = { dial: (target) => (asked.push(target.driveId), Promise.reject(new Error("nothing listens there"))) };
  const dialer = new LocalDialer(SELF, remote, new Map());
  await expect(dialer.dial({ driveId: HERE, address: "127.0.0.1", port: 1 }, () => recorder().events)).rejects.toThrow("nothing listens there");
  expect(asked).toEqual([HERE]);
});

// R14, R26: what a drive does not listen to over a socket it does not listen to here.
test("a drive of this process refuses whom it would refuse over a socket", async () => {
  let refusal: string | null = "this gateway was banned";
  const asked: Peer[] = [];
  const accepted: Channel[] = [];
  const refuse = ({ peer }: { readonly peer: Peer }): string | null => (asked.push(peer), refusal);
  const accept = (channel: Channel): ChannelEvents => (accepted.push(channel), recorder().events);
  const none: Dialer = { dial: () => Promise.reject(new Error("not here")) };
  const dialer = new LocalDialer(SELF, none, new Map([[HERE, { instance: 8 as Instance, refuse, accept }]]));
  const dial = (): Promise<Channel> => dialer.dial({ driveId: HERE, address: "", port: 0 }, () => recorder().events);
  await expect(dial()).rejects.toThrow("was banned");
  expect([asked.length, accepted.length]).toEqual([1, 0]);
  refusal = null;
  await dial();
  expect(accepted.length).toBe(1);
});
