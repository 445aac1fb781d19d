import { afterEach, beforeEach, expect, test } from "bun:test";
import { INITIATOR, startTarget, type Fixture } from "../iscsi/fixture.ts";
import { TARGET, unit } from "../iscsi/memory-access.ts";
import { ConnectionLost } from "./connection.ts";
import { Initiator, ScsiError, type InitiatorOptions } from "./initiator.ts";
import { AUTHENTICATION_FAILURE, AUTHORIZATION_FAILURE, LoginRefused } from "./login.ts";
import { Paths } from "./paths.ts";
import { parsePortal } from "./url.ts";

let fixture: Fixture;
beforeEach(async () => {
  fixture = await startTarget();
});
afterEach(() => fixture.stop());

const url = (): string => `iscsi://127.0.0.1:${fixture.port}/${TARGET}/0`;
const connect = (options: Partial<InitiatorOptions> = {}): Promise<Initiator> => Initiator.connect(parsePortal(url()), { initiatorName: INITIATOR, ...options });

function pattern(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i += 4) buffer.writeUInt32LE(Math.imul(i + seed, 2654435761) >>> 0, i);
  return buffer;
}

const WAYS: readonly [string, Partial<InitiatorOptions>][] = [
  ["with immediate and unsolicited data", {}],
  ["with immediate data, the rest on request", { initialR2T: true }],
  ["with every byte on request", { initialR2T: true, immediateData: false, maxBurstBytes: 65536 }],
  ["without immediate data, but unsolicited", { immediateData: false }],
];
for (const [name, options] of WAYS) {
  test(`what is written ${name} is read back, small and large`, async () => {
    const initiator = await connect(options);
    expect(await initiator.capacity()).toEqual({ sectors: 131072, sectorBytes: 512 });
    const sizes = [512, 4096, 65536, 70144, 1048576, 3145728];
    await Promise.all(sizes.map((bytes, index) => initiator.write(index * 8192, pattern(bytes, index))));
    for (const [index, bytes] of sizes.entries()) expect((await initiator.read(index * 8192, bytes / 512)).equals(pattern(bytes, index))).toBe(true);
    await initiator.flush();
    await initiator.logout();
  });
}

test("more commands than the queue depth all come to their end", async () => {
  const initiator = await connect({ queueDepth: 4 });
  await Promise.all(Array.from({ length: 500 }, (_, index) => initiator.write(index * 8, pattern(4096, index))));
  const blocks = await Promise.all(Array.from({ length: 500 }, (_, index) => initiator.read(index * 8, 8)));
  expect(blocks.every((block, index) => block.equals(pattern(4096, index)))).toBe(true);
  await initiator.logout();
});

test("a command that fails says with which sense, and the session goes on", async () => {
  const initiator = await connect();
  const error = await initiator.read(131072, 8).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ScsiError);
  expect((error as ScsiError).sense).toEqual({ key: 5, asc: 0x21, ascq: 0 });
  await initiator.write(0, pattern(512, 1));
  await initiator.logout();
});

test("CHAP lets in who knows the secret alone", async () => {
  fixture.access.add({ name: "proved", chap: { user: "joe", secret: "a long secret" } }, "iqn.2026-01.com.example:proved", [[0, unit(fixture.volume)]]);
  const attempt = (chap?: { user: string; secret: string }): Promise<Initiator> =>
    Initiator.connect(parsePortal(url()), { initiatorName: "iqn.2026-01.com.example:proved", ...(chap === undefined ? {} : { chap }) });
  await (await attempt({ user: "joe", secret: "a long secret" })).logout();
  for (const chap of [{ user: "joe", secret: "a wrong secret" }, { user: "jim", secret: "a long secret" }, undefined]) {
    const error = await attempt(chap).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LoginRefused);
    expect((error as LoginRefused).status).toBe(AUTHENTICATION_FAILURE);
  }
  const stranger = await connect({ initiatorName: "iqn.2026-01.com.example:nobody" }).catch((reason: unknown) => reason);
  expect((stranger as LoginRefused).status).toBe(AUTHORIZATION_FAILURE);
});

test("a command that is not answered in time costs the connection", async () => {
  const initiator = await connect({ commandTimeoutMs: 50 });
  fixture.volume.hold();
  expect(await initiator.write(0, pattern(512, 1)).catch((reason: unknown) => reason)).toBeInstanceOf(ConnectionLost);
  expect(initiator.isClosed).toBe(true);
  expect(await initiator.closed).toBe("a command was not answered in time");
});

test("a lost session is replaced by one with the next portal that answers", async () => {
  const second = await startTarget();
  const paths = new Paths([url(), url().replace(`:${fixture.port}/`, `:${second.port}/`)], { initiatorName: INITIATOR });
  const before = await paths.session(performance.now() + 5_000);
  await before.write(0, pattern(512, 1));
  await fixture.target.stop();
  expect(await before.closed).toBeString();
  const after = await paths.session(performance.now() + 5_000);
  expect(after.portal.port).toBe(second.port);
  await after.write(0, pattern(512, 1));
  expect(paths.reconnections).toBe(1);
  await paths.stop();
  await second.stop();
});
