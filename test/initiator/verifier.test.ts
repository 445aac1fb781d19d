import { afterEach, beforeEach, expect, test } from "bun:test";
import { INITIATOR, startTarget, type Fixture } from "../iscsi/fixture.ts";
import { TARGET, unit } from "../iscsi/memory-access.ts";
import { Initiator } from "./initiator.ts";
import { parsePortal } from "./url.ts";
import { Verifier } from "./verifier.ts";

let one: Fixture;
let two: Fixture;
beforeEach(async () => {
  one = await startTarget();
  two = await startTarget();
  // Two portals of the same volume.
  two.access.maps.get("host")?.set(0, unit(one.volume));
});
afterEach(async () => {
  await one.stop();
  await two.stop();
});

const urls = (): string[] => [one, two].map(({ port }) => `iscsi://127.0.0.1:${port}/${TARGET}/0`);
const verifier = (blocks = 4096): Verifier => new Verifier({ urls: urls(), initiatorName: INITIATOR, blocks, commandsPerSecondMax: 20_000 });

async function verifyAll(client: Verifier): Promise<void> {
  for (const url of urls()) await client.verify(url);
}

test("a faithful volume gives no complaint, through either portal", async () => {
  const client = verifier();
  client.start();
  await client.progress(2000);
  await client.stop();
  await verifyAll(client);
  expect(client.complaints).toEqual([]);
  expect(client.interval().acknowledged).toBeGreaterThan(0);
});

test("a block that went back to an older version, to zeros or elsewhere is complained of", async () => {
  const client = verifier(3);
  client.start();
  await client.progress(200);
  await client.stop();
  const session = await Initiator.connect(parsePortal(urls()[0] ?? ""), { initiatorName: INITIATOR });
  const [first, second] = [await session.read(0, 8), await session.read(8, 8)];
  await session.write(0, second);
  await session.write(8, Buffer.alloc(4096));
  await client.verify(urls()[1] ?? "");
  expect(client.complaints.length).toBe(2);
  expect(client.complaints[0]).toContain("of block 1 instead of version");
  expect(client.complaints[1]).toContain("holds zeros instead of version");
  const torn = Buffer.concat([first.subarray(0, 2048), Buffer.alloc(2048)]);
  await session.write(0, torn);
  await client.verify(urls()[1] ?? "");
  expect(client.complaints[2]).toContain("up to byte 2048");
  await session.logout();
});

test("a lost portal costs retries and no data", async () => {
  const client = verifier();
  client.start();
  await client.progress(500);
  await one.target.stop();
  await client.progress(500);
  await client.stop();
  await client.verify(urls()[1] ?? "");
  expect(client.complaints).toEqual([]);
  expect(client.retries.get("connection lost") ?? 0).toBeGreaterThan(0);
});
