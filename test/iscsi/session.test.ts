import { afterEach, beforeEach, expect, test } from "bun:test";
import { INITIATOR, startTarget, until, type Fixture } from "./fixture.ts";
import { unit } from "./memory-access.ts";
import { MemoryVolume } from "./memory-volume.ts";
import { RawInitiator } from "./raw-initiator.ts";

let fixture: Fixture;
beforeEach(async () => {
  fixture = await startTarget();
});
afterEach(() => fixture.stop());

const READ_ONE = "28 00 00000000 00 0001 00";

function pattern(bytes: number, seed = 1): Buffer {
  return Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + (i >> 9) + seed) & 0xff));
}

test("a write with all of its data unsolicited or asked for arrives whole, whatever was negotiated", async () => {
  for (const initialR2T of ["Yes", "No"]) {
    for (const immediateData of ["Yes", "No"]) {
      const keys = [["InitialR2T", initialR2T], ["ImmediateData", immediateData], ["FirstBurstLength", "2048"], ["MaxBurstLength", "4096"]] as const;
      const host = await RawInitiator.loggedIn(fixture.port, { keys });
      const data = pattern(10240, initialR2T.length + 2 * immediateData.length);
      let sent = immediateData === "Yes" ? 512 : 0;
      const more = initialR2T === "No";
      const tag = host.command("2a 00 00000008 00 0014 00", { flags: more ? 0x20 : 0xa0, expected: 10240, data: data.subarray(0, sent) });
      if (more) {
        host.dataOut(tag, 0xffffffff, 0, sent, data.subarray(sent, 1000), false);
        host.dataOut(tag, 0xffffffff, 1, 1000, data.subarray(1000, 2048), true);
        sent = 2048;
      }
      const offsets: number[] = [];
      let pdu = await host.next();
      for (; pdu.opcode === 0x31; pdu = await host.next()) {
        const length = pdu.header.readUInt32BE(44);
        offsets.push(pdu.header.readUInt32BE(40));
        expect([pdu.header.readUInt32BE(36), pdu.header.readUInt32BE(40)]).toEqual([offsets.length - 1, sent]);
        expect(length).toBeLessThanOrEqual(4096);
        host.dataOut(tag, pdu.header.readUInt32BE(20), 0, sent, data.subarray(sent, sent + 700), false);
        host.dataOut(tag, pdu.header.readUInt32BE(20), 1, sent + 700, data.subarray(sent + 700, sent + length), true);
        sent += length;
      }
      expect([pdu.opcode, pdu.header[1], pdu.header[3], sent]).toEqual([0x21, 0x80, 0, 10240]);
      expect(fixture.volume.peek(8, 20)).toEqual(data);
      host.destroy();
    }
  }
});

test("a read comes in bursts and segments of the size that was agreed, with the status in the last", async () => {
  const keys = [["MaxRecvDataSegmentLength", "1024"], ["MaxBurstLength", "2560"]] as const;
  const host = await RawInitiator.loggedIn(fixture.port, { keys });
  await fixture.volume.write(0, pattern(6144));
  host.command("28 00 00000000 00 000c 00", { flags: 0xc0, expected: 6144 });
  const parts: Buffer[] = [];
  const finals: number[] = [];
  for (let last = false; !last; ) {
    const pdu = await host.next();
    expect([pdu.opcode, pdu.header.readUInt32BE(36)]).toEqual([0x25, parts.length]);
    expect(pdu.header.readUInt32BE(40)).toBe(Buffer.concat(parts).length);
    parts.push(pdu.data);
    if ((pdu.header[1]! & 0x80) !== 0) finals.push(Buffer.concat(parts).length);
    last = (pdu.header[1]! & 0x01) !== 0;
  }
  expect(Buffer.concat(parts).equals(pattern(6144))).toBe(true);
  expect(finals).toEqual([2560, 5120, 6144]);
  host.destroy();
});

test("residuals say exactly what was not transferred", async () => {
  const host = await RawInitiator.loggedIn(fixture.port);
  const residual = async (cdb: string, flags: number, expected: number, data?: Buffer): Promise<unknown[]> => {
    host.command(cdb, { flags, expected, ...(data === undefined ? {} : { data }) });
    const { header } = await host.next();
    return [header[1]! & 0x06, header.readUInt32BE(44)];
  };
  expect(await residual(READ_ONE, 0xc0, 512)).toEqual([0, 0]);
  expect(await residual(READ_ONE, 0xc0, 1024)).toEqual([0x02, 512]);
  expect(await residual("28 00 00000000 00 0002 00", 0xc0, 512)).toEqual([0x04, 512]);
  expect(await residual(READ_ONE, 0x80, 0)).toEqual([0x04, 512]);
  expect(await residual("2a 00 00000000 00 0001 00", 0xa0, 1024, Buffer.alloc(1024))).toEqual([0x02, 512]);
  expect(await residual("2a 00 00000000 00 0002 00", 0xa0, 512, Buffer.alloc(512))).toEqual([0x04, 512]);
  expect(await residual("12 00 00 00 ff 00", 0xc0, 255)).toEqual([0x02, 159]);
  host.destroy();
});

test("an initiator port that logs in again ends its old session; another port of the same initiator does not", async () => {
  const first = await RawInitiator.loggedIn(fixture.port, { isid: "800000000001" });
  const other = await RawInitiator.loggedIn(fixture.port, { isid: "800000000002" });
  const again = await RawInitiator.loggedIn(fixture.port, { isid: "800000000001" });
  await first.closing();
  expect(fixture.lines.filter((line) => line.includes("logged in again"))).toHaveLength(1);
  expect(await other.status("00")).toBe("0");
  expect(await again.status("00")).toBe("0");
  expect(fixture.target.sessions()).toHaveLength(2);
  other.destroy();
  again.destroy();
});

test("a session that replaces another opens only when the commands of the old one have ended", async () => {
  const first = await RawInitiator.loggedIn(fixture.port);
  fixture.volume.hold();
  first.command("2a 00 00000000 00 0001 00", { flags: 0xa0, expected: 512, data: Buffer.alloc(512, 1) });
  await until(() => fixture.volume.calls.length === 1, "the write has begun");
  const second = await RawInitiator.connect(fixture.port);
  let answered = false;
  const login = second.login().then((answer) => {
    answered = true;
    return answer.status;
  });
  await first.closing();
  await fixture.ticks();
  expect(answered).toBe(false);
  fixture.volume.release();
  expect(await login).toBe(0);
  second.destroy();
});

test("an aborted command is not answered, and the abort is complete only when the command changes nothing any more", async () => {
  const host = await RawInitiator.loggedIn(fixture.port);
  fixture.volume.hold();
  const tag = host.command("2a 00 00000000 00 0001 00", { flags: 0xa0, expected: 512, data: Buffer.alloc(512, 1) });
  const aborted = host.manage(1, tag);
  await until(() => fixture.volume.calls.length === 1, "the write has begun");
  await fixture.ticks();
  fixture.volume.release();
  expect(await aborted).toBe(0);
  expect(await host.status("00")).toBe("0");
  expect(await host.manage(1, tag)).toBe(1);
  host.destroy();
});

test("a command that still waits for data is aborted at once, and its late data is dropped", async () => {
  const host = await RawInitiator.loggedIn(fixture.port);
  const tag = host.command("2a 00 00000000 00 0001 00", { flags: 0xa0, expected: 512 });
  const ready = await host.next();
  expect(await host.manage(1, tag)).toBe(0);
  host.dataOut(tag, ready.header.readUInt32BE(20), 0, 0, Buffer.alloc(512, 1), true);
  expect(await host.status("00")).toBe("0");
  expect(fixture.volume.calls).toHaveLength(0);
  host.destroy();
});

test("a LUN reset ends the commands of every host on it and tells them", async () => {
  const one = await RawInitiator.loggedIn(fixture.port, { isid: "800000000001" });
  const two = await RawInitiator.loggedIn(fixture.port, { isid: "800000000002" });
  const tag = two.command("2a 00 00000000 00 0001 00", { flags: 0xa0, expected: 512 });
  const ready = await two.next();
  expect(ready.header.readUInt32BE(16)).toBe(tag);
  expect(await one.manage(5)).toBe(0);
  expect(await two.status("00")).toBe("2 6/29/3");
  expect(await two.status("00")).toBe("0");
  expect(await one.manage(5, 0xffffffff, 9)).toBe(2);
  one.destroy();
  two.destroy();
});

test("hosts are told of a new LUN, of a larger volume, and lose the session when their name is removed", async () => {
  const host = await RawInitiator.loggedIn(fixture.port);
  fixture.access.maps.get("host")!.set(7, unit(new MemoryVolume(7, 2048)));
  fixture.access.changed();
  expect(await host.status("00")).toBe("2 6/3f/e");
  expect(await host.status("00")).toBe("0");
  expect(await host.status("00", 7)).toBe("2 6/3f/e");
  expect(await host.status("00", 7)).toBe("0");
  fixture.volume.grow(262144);
  expect(await host.status("00")).toBe("2 6/2a/9");
  expect(await host.status("00")).toBe("0");
  fixture.access.maps.get("host")!.delete(7);
  fixture.access.changed();
  expect(await host.status("00", 7)).toBe("2 5/25/0");
  fixture.access.hosts.delete(INITIATOR);
  fixture.access.changed();
  await host.closing();
});

test("NOP-Out is answered with its own data", async () => {
  const host = await RawInitiator.loggedIn(fixture.port);
  const header = RawInitiator.header(0x40, 0x80, 5);
  header.writeUInt32BE(0x77, 16);
  header.writeUInt32BE(host.commandNumber, 24);
  host.send(Buffer.concat([header, Buffer.from("hello\0\0\0")]));
  const pong = await host.next();
  expect([pong.opcode, pong.header.readUInt32BE(16), pong.data.toString()]).toEqual([0x20, 0x77, "hello"]);
  host.destroy();
});

test("discovery lists every portal of every server, in pieces if the initiator wants it so", async () => {
  for (let i = 0; i < 40; i++) fixture.access.portalList.push({ address: `fd00::${i}`, port: 3260, groupTag: 3 });
  const host = await RawInitiator.loggedIn(fixture.port, { discovery: true, keys: [["MaxRecvDataSegmentLength", "512"]] });
  const parts: Buffer[] = [];
  let transferTag = 0xffffffff;
  do {
    const text = transferTag === 0xffffffff ? Buffer.from("SendTargets=All\0") : Buffer.alloc(0);
    const header = RawInitiator.header(0x44, 0x80, text.length);
    header.writeUInt32BE(0x55, 16);
    header.writeUInt32BE(transferTag, 20);
    header.writeUInt32BE(host.commandNumber, 24);
    host.send(Buffer.concat([header, text]));
    const pdu = await host.next();
    expect(pdu.data.length).toBeLessThanOrEqual(512);
    parts.push(pdu.data);
    transferTag = pdu.header.readUInt32BE(20);
  } while (transferTag !== 0xffffffff);
  const lines = Buffer.concat(parts).toString().split("\0");
  expect(lines[0]).toBe(`TargetName=${fixture.access.targetName}`);
  expect(lines.slice(1, 4)).toEqual([`TargetAddress=127.0.0.1:${fixture.port},1`, "TargetAddress=127.0.0.9:3260,2", "TargetAddress=[fd00::0]:3260,3"]);
  expect(lines).toHaveLength(44);
  host.destroy();
});

test("an initiator that does not read holds back its own commands, and gets all data once it reads", async () => {
  const host = await RawInitiator.loggedIn(fixture.port);
  const other = await RawInitiator.loggedIn(fixture.port, { isid: "800000000002" });
  host.pause();
  const commands = 100;
  for (let i = 0; i < commands; i++) host.command("28 00 00000000 00 0800 00", { flags: 0xc0, expected: 1048576 });
  await until(() => fixture.volume.calls.length > 10, "reads have begun");
  await fixture.ticks();
  await fixture.ticks();
  expect(fixture.volume.calls.length).toBeLessThan(60);
  expect(await other.status("00")).toBe("0");
  host.resume();
  let bytes = 0;
  while (bytes < commands * 1048576) bytes += (await host.next()).data.length;
  expect(bytes).toBe(commands * 1048576);
  host.destroy();
  other.destroy();
});

test("logging out is answered before the connection ends", async () => {
  const host = await RawInitiator.loggedIn(fixture.port);
  const header = RawInitiator.header(0x46, 0x80);
  header.writeUInt32BE(0x99, 16);
  header.writeUInt32BE(0, 20);
  header.writeUInt32BE(host.commandNumber, 24);
  host.send(header);
  const answer = await host.next();
  expect([answer.opcode, answer.header[2], answer.header.readUInt32BE(16)]).toEqual([0x26, 0, 0x99]);
  await host.closing();
  await until(() => fixture.target.sessions().length === 0, "session gone");
});

test("a host that logs in just after a volume was mapped to it finds the LUN, although this portal hears of it late", async () => {
  const heard = Promise.withResolvers<void>();
  fixture.access.caughtUp = heard.promise;
  const login = RawInitiator.loggedIn(fixture.port);
  await fixture.ticks();
  fixture.access.maps.get("host")!.set(7, unit(new MemoryVolume(7, 2048)));
  heard.resolve();
  const host = await login;
  expect(await host.status("00", 7)).toBe("0");
  host.destroy();
});

test("a login does not wait for ever for configuration that does not come", async () => {
  fixture.access.caughtUp = new Promise(() => undefined);
  const host = await RawInitiator.loggedIn(fixture.port);
  expect(await host.status("00")).toBe("0");
  host.destroy();
});
