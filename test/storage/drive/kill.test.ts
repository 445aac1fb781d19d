import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { groupId } from "../../../src/cluster/schema.ts";
import { OpenError } from "../../../src/storage/drive/identity.ts";
import { Author, MIB, newDrive, open, removeDirectories, testPlatform } from "./fixture.ts";
import { Model } from "./model.ts";
import { scripted } from "./script.ts";

afterEach(removeDirectories);
const platform = testPlatform();
const APPENDER = join(import.meta.dir, "appender.ts");

/** Runs the appender until it has acknowledged `count` records, lets it run on for `moreMs`, and kills it. The last one it acknowledged. */
async function appendAndKill(directory: string, count: number, moreMs: number): Promise<number> {
  const child = Bun.spawn([process.execPath, APPENDER, directory], { stdout: "pipe", stderr: "inherit" });
  let text = "";
  let armed = false;
  for await (const chunk of child.stdout) {
    text += Buffer.from(chunk).toString("latin1");
    if (!armed && text.split("\n").length > count) {
      armed = true;
      setTimeout(() => child.kill("SIGKILL"), moreMs);
    }
  }
  await child.exited;
  const whole = text.slice(0, text.lastIndexOf("\n")).split("\n");
  return Number(whole.at(-1));
}

test("whatever was acknowledged is there after kill -9 in the middle of a stream, again and again", async () => {
  const directory = await newDrive(platform, { segments: 4, bytes: MIB });
  const model = new Model();
  const author = new Author();
  let checked = 0;
  for (let round = 0; round < 8; round += 1) {
    const acknowledged = await appendAndKill(directory, 50, Math.floor(Math.random() * 300));
    if (round % 2 === 0) continue;
    const drive = await open(platform, directory);
    const { last } = drive.images.get(groupId(1, 0))?.log ?? { last: { seq: 0 } };
    expect(last.seq).toBeGreaterThanOrEqual(acknowledged);
    expect(drive.images.get(groupId(1, 0))?.damaged).toBe(false);
    for (; checked < last.seq; checked += 1) model.apply(scripted(author, checked + 1));
    await model.check(drive);
    await drive.close();
  }
  expect(platform.errors).toEqual([]);
}, 30_000);

test("a drive that another process has open is refused", async () => {
  const directory = await newDrive(platform);
  const child = Bun.spawn([process.execPath, APPENDER, directory, "hold"], { stdout: "pipe", stderr: "inherit" });
  for await (const chunk of child.stdout) {
    expect(Buffer.from(chunk).toString("latin1")).toBe("open\n");
    break;
  }
  const error = await open(platform, directory).catch((thrown: unknown) => thrown);
  child.kill("SIGKILL");
  await child.exited;
  expect(error).toBeInstanceOf(OpenError);
  expect((error as OpenError).reason).toBe("drive-locked");
  await (await open(platform, directory)).close();
});
