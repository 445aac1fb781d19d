import { afterEach, beforeEach, expect, test } from "bun:test";
import { INITIATOR, startTarget, until, type Fixture } from "./fixture.ts";
import { RawInitiator } from "./raw-initiator.ts";

let fixture: Fixture;
beforeEach(async () => {
  fixture = await startTarget();
});
afterEach(() => fixture.stop());

/** One reason is logged for the connection, and others still get in. */
async function closesAlone(attack: RawInitiator, reason: RegExp): Promise<void> {
  await attack.closing();
  await until(() => fixture.lines.some((line) => reason.test(line)), `${reason} in ${fixture.lines.join("; ")}`);
  expect(fixture.lines.filter((line) => line.startsWith("iSCSI connection closed"))).toHaveLength(1);
  const other = await RawInitiator.loggedIn(fixture.port, { isid: "800000000099" });
  expect(await other.status("00")).toBe("0");
  other.destroy();
}

test("garbage instead of a login closes the connection", async () => {
  const attack = await RawInitiator.connect(fixture.port);
  attack.send(Buffer.from("GET / HTTP/1.1\r\nHost: storage\r\nUser-Agent: something long enough\r\n\r\n"));
  await closesAlone(attack, /not iSCSI/);
});

test("a login of more than 8 KiB in one PDU closes the connection before it is received", async () => {
  const attack = await RawInitiator.connect(fixture.port);
  attack.send(RawInitiator.header(0x43, 0x87, 0xffffff));
  await closesAlone(attack, /data segment of 16777215 bytes/);
});

test("login text without end is refused", async () => {
  const attack = await RawInitiator.connect(fixture.port);
  for (let i = 0; i < 9; i++) attack.send(attack.loginRequest(0x44, "800000000001", Buffer.alloc(8192, "x")));
  await closesAlone(attack, /login refused: login text of more than/);
});

test("a torn PDU followed by the end of the connection harms nobody", async () => {
  const attack = await RawInitiator.loggedIn(fixture.port);
  attack.send(RawInitiator.header(0x01, 0xa0, 4096).subarray(0, 30));
  attack.destroy();
  await closesAlone(attack, /peer closed/);
});

test("data longer than declared closes the connection", async () => {
  const attack = await RawInitiator.loggedIn(fixture.port);
  attack.send(RawInitiator.header(0x01, 0xa0, 0xfffff0));
  await closesAlone(attack, /data segment of 16777200 bytes/);
});

test("an unknown opcode is rejected and closes the connection", async () => {
  const attack = await RawInitiator.loggedIn(fixture.port);
  const header = RawInitiator.header(0x1c, 0x80);
  header.writeUInt32BE(attack.commandNumber, 24);
  attack.send(header);
  const reject = await attack.next();
  expect([reject.opcode, reject.header[2]]).toEqual([0x3f, 0x05]);
  expect(reject.data).toEqual(header);
  await closesAlone(attack, /unknown opcode 28/);
});

test("a command number that leaves a gap closes the connection, one outside of the window is ignored", async () => {
  const attack = await RawInitiator.loggedIn(fixture.port);
  attack.commandNumber = 5000;
  attack.command("00");
  attack.commandNumber = 0;
  attack.command("00");
  attack.commandNumber = 1;
  expect(await attack.status("00")).toBe("0");
  attack.commandNumber = 9;
  attack.command("00");
  await closesAlone(attack, /CmdSN leaves a gap/);
});

test("Data-Out beyond what was asked for closes the connection, and nothing is written", async () => {
  const attack = await RawInitiator.loggedIn(fixture.port);
  const tag = attack.command("2a 00 00000000 00 0002 00", { flags: 0xa0, expected: 1024 });
  const ready = await attack.next();
  expect(ready.opcode).toBe(0x31);
  attack.dataOut(tag, ready.header.readUInt32BE(20), 0, 512, Buffer.alloc(1024, 1), true);
  await closesAlone(attack, /Data-Out out of order/);
  expect(fixture.volume.calls.filter((call) => call.kind === "write")).toHaveLength(0);
});

test("Data-Out for a command that does not exist is dropped", async () => {
  const attack = await RawInitiator.loggedIn(fixture.port);
  attack.dataOut(0x4711, 3, 0, 0, Buffer.alloc(512), true);
  expect(await attack.status("00")).toBe("0");
  attack.destroy();
});

test("a peer that connects and says nothing is closed", async () => {
  const attack = await RawInitiator.connect(fixture.port);
  const busy = await RawInitiator.loggedIn(fixture.port, { isid: "800000000077" });
  fixture.skip(16_000);
  await closesAlone(attack, /no login within 15 s/);
  busy.destroy();
});

test("an initiator that answers no NOP-In is given up, and one that does is kept", async () => {
  const dead = await RawInitiator.loggedIn(fixture.port);
  await fixture.ticks();
  fixture.skip(16_000);
  const ping = await dead.next();
  expect([ping.opcode, ping.header.readUInt32BE(16)]).toEqual([0x20, 0xffffffff]);
  const pong = RawInitiator.header(0x40, 0x80);
  pong.writeUInt32BE(0xffffffff, 16);
  pong.writeUInt32BE(ping.header.readUInt32BE(20), 20);
  pong.writeUInt32BE(dead.commandNumber, 24);
  dead.send(pong);
  expect(await dead.status("00")).toBe("0");
  await fixture.ticks();
  fixture.skip(16_000);
  expect((await dead.next()).opcode).toBe(0x20);
  fixture.skip(16_000);
  await closesAlone(dead, /no answer to a NOP-In/);
});

test("random bytes after the login never take the target down", async () => {
  let seed = 12345;
  const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8;
  for (let round = 0; round < 60; round++) {
    const attack = await RawInitiator.loggedIn(fixture.port);
    for (let i = 0; i < 20; i++) {
      const header = Buffer.from(Array.from({ length: 48 }, () => random() & 0xff));
      header[0] = [0x01, 0x41, 0x42, 0x44, 0x05, 0x40, 0x00, 0x46, 0x10, 0x41][random() % 10]!;
      header[4] = random() % 4 === 0 ? random() % 3 : 0;
      header[5] = 0;
      header[6] = random() % 3;
      header.writeUInt32BE(1 + i, 24);
      attack.send(Buffer.concat([header, Buffer.alloc(random() % 600, random())]));
    }
    attack.destroy();
    await attack.closing();
  }
  await until(() => fixture.target.sessions().length === 0, "all sessions gone");
  const other = await RawInitiator.loggedIn(fixture.port);
  expect(await other.status("00")).toBe("0");
  other.destroy();
});

test("an unknown initiator is refused, and finds no target", async () => {
  const unknown = await RawInitiator.connect(fixture.port);
  expect((await unknown.login({ initiator: "iqn.2026-01.com.example:nobody" })).status).toBe(0x0202);
  await closesAlone(unknown, /no host has this initiator name/);
  const looking = await RawInitiator.loggedIn(fixture.port, { initiator: "iqn.2026-01.com.example:nobody", discovery: true });
  const header = RawInitiator.header(0x44, 0x80, 16);
  header.writeUInt32BE(9, 16);
  header.writeUInt32BE(looking.commandNumber, 24);
  looking.send(Buffer.concat([header, Buffer.from("SendTargets=All\0")]));
  expect((await looking.next()).data).toHaveLength(0);
  looking.destroy();
});

test("a host with CHAP is let in by its secret alone", async () => {
  fixture.access.add({ name: "host", chap: { user: "joe", secret: "correct horse" } }, INITIATOR, []);
  const names = [["InitiatorName", INITIATOR], ["SessionType", "Normal"], ["TargetName", fixture.access.targetName]] as const;
  const without = await RawInitiator.connect(fixture.port);
  expect((await without.login()).status).toBe(0x0201);
  const none = await RawInitiator.connect(fixture.port);
  expect((await none.exchange("800000000001", 0x81, [...names, ["AuthMethod", "None"]])).status).toBe(0x0201);
  for (const [secret, user, status] of [["correct horse", "joe", 0], ["wrong horse", "joe", 0x0201], ["correct horse", "eve", 0x0201]] as const) {
    const initiator = await RawInitiator.connect(fixture.port);
    const first = await initiator.exchange("800000000001", 0x81, [...names, ["AuthMethod", "CHAP,None"]]);
    expect([first.status, first.pairs.get("AuthMethod"), first.pdu.header[1]! & 0x80]).toEqual([0, "CHAP", 0]);
    const second = await initiator.exchange("800000000001", 0x00, [["CHAP_A", "5"]]);
    const input = Buffer.concat([
      Buffer.from([Number(second.pairs.get("CHAP_I"))]),
      Buffer.from(secret),
      Buffer.from(second.pairs.get("CHAP_C")!.slice(2), "hex"),
    ]);
    const response = new Bun.CryptoHasher("md5").update(input).digest("hex");
    const third = await initiator.exchange("800000000001", 0x83, [["CHAP_N", user], ["CHAP_R", `0x${response}`]]);
    expect(third.status).toBe(status);
    expect(fixture.target.sessions()).toHaveLength(status === 0 ? 1 : 0);
    initiator.destroy();
    await until(() => fixture.target.sessions().length === 0, "session gone");
  }
});

test("idle connections and discovery sessions of strangers give way to hosts", async () => {
  const squatters: RawInitiator[] = [];
  for (let i = 0; i < 100; i++) squatters.push(await RawInitiator.connect(fixture.port));
  for (let i = 0; i < 28; i++) {
    const isid = `8000000001${i.toString(16).padStart(2, "0")}`;
    squatters.push(await RawInitiator.loggedIn(fixture.port, { isid, initiator: "iqn.2026-01.com.example:nobody", discovery: true }));
  }
  fixture.skip(11_000);
  const host = await RawInitiator.loggedIn(fixture.port, { isid: "800000000099" });
  expect(await host.status("00")).toBe("0");
  await until(() => fixture.lines.some((line) => /more than 128 connections without a login/.test(line)), fixture.lines.join("; "));
  host.destroy();
  for (const squatter of squatters) squatter.destroy();
});

test("a flood of connections leaves few lines in the log", async () => {
  for (let i = 0; i < 60; i++) {
    const attack = await RawInitiator.connect(fixture.port);
    attack.send(Buffer.alloc(48, "x"));
    await attack.closing();
  }
  expect(fixture.lines.filter((line) => line.startsWith("iSCSI connection closed")).length).toBeLessThan(40);
});

test("a log line repeats little of what a stranger sent", async () => {
  const attack = await RawInitiator.connect(fixture.port);
  attack.send(attack.loginRequest(0x87, "800000000001", Buffer.from(`InitiatorName=${INITIATOR}\0TargetName=${"\x01".repeat(8000)}\0`)));
  await closesAlone(attack, /there is no target/);
  expect(Math.max(...fixture.lines.map((line) => line.length))).toBeLessThan(2_000);
});
