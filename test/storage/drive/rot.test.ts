import { expect, test } from "bun:test";
import { BLOCK_BYTES, BLOCKS_PER_EXTENT } from "../../../src/base/geometry.ts";
import { groupId } from "../../../src/cluster/schema.ts";
import { peekBatch } from "../../../src/storage/drive/batch.ts";
import { formatDrive } from "../../../src/storage/drive/format.ts";
import { OpenError } from "../../../src/storage/drive/identity.ts";
import { CHECKPOINTS, EXTENTS, JOURNAL, SUPERBLOCK } from "../../../src/storage/drive/layout.ts";
import { TRAILER_SLOT_BYTES, TRAILER_SLOTS } from "../../../src/storage/drive/trailer.ts";
import type { LocalDrive } from "../../../src/storage/drive/local-drive.ts";
import type { Disk, Inode } from "../../simulator/disk.ts";
import { Author, CLUSTER, DRIVE, MIB, open, testPlatform, type TestPlatform } from "./fixture.ts";
import { Model } from "./model.ts";
import { PowerFiles } from "./power.ts";
import { Random } from "./random.ts";
import { scripted } from "./script.ts";

const GROUP = groupId(1, 0);
/** Newest batches of a journal: without a later one a lost end looks as if it had never been written (a known gap). */
const NEWEST_BATCHES = 2;
/** What the drive last obeyed (R14), under its first instance. */
const STORE = { storeId: "store", revision: 7, incarnation: 3 };
const SEEDS = Number(process.env["SEEDS"] ?? 6);
const FIRST_SEED = Number(process.env["SEED"] ?? 1);

type What = "trailer" | "superblock" | "checkpoint" | "journal";
interface Page {
  readonly what: What;
  readonly path: string;
  readonly page: number;
}
interface Crashed {
  readonly disk: Disk;
  /** Entries of the script that were acknowledged. */
  readonly acknowledged: number;
  /** Whether a checkpoint was being written, so that one slot of a trailer may be torn. */
  readonly interrupted: boolean;
  /** Slots of trailers as the checkpoint before the last one left them. */
  readonly stale: readonly Stale[];
}
interface Stale {
  readonly path: string;
  readonly inode: Inode;
  readonly pages: ReadonlyMap<number, Buffer>;
}
const SLOT_PAGES = TRAILER_SLOT_BYTES / BLOCK_BYTES;

function platformOf(power: PowerFiles): TestPlatform {
  return { ...testPlatform(), files: power.files, clock: power.clock() };
}

/** Three rounds of writes with a checkpoint between them; the last one ends with a crash at rest, or within a checkpoint. */
async function crashed(seed: number): Promise<Crashed> {
  const random = new Random(seed);
  const power = new PowerFiles(random, 2);
  await formatDrive(platformOf(power), { directory: "/drive", driveId: DRIVE, clusterId: CLUSTER, incarnation: 1, capacityBytes: MIB, journalSegments: 2, journalSegmentBytes: MIB / 2 });
  const author = new Author();
  let seq = 0;
  let acknowledged = 0;
  const write = async (drive: LocalDrive, count: number): Promise<void> => {
    let left = count;
    await new Promise<void>((resolve) => {
      for (let i = 0; i < count; i += 1) {
        seq += 1;
        const mine = seq;
        drive.append(scripted(author, mine), () => (acknowledged = mine), () => --left === 0 && resolve());
      }
    });
  };
  const drive = await open(platformOf(power), "/drive");
  let stale: Stale[] = [];
  for (let round = 0; round < 2; round += 1) {
    stale = slots(power.disk);
    for (let i = 0; i < 8; i += 1) await write(drive, 3);
    await drive.checkpointNow();
  }
  for (let i = 0; i < 4; i += 1) await write(drive, 2);
  const interrupted = seed % 2 === 0;
  const end = random.below(2) === 0 ? "kill" : "power";
  await drive.obeyStore(STORE);
  if (interrupted) await power.run(1 + random.below(40), () => drive.checkpointNow(), end);
  else await power.run(1, () => power.files.list("/drive").then(() => undefined), end);
  // A file that was dropped meanwhile has nothing to do with its successor.
  return { disk: power.disk, acknowledged, interrupted, stale: stale.filter(({ path, inode }) => power.disk.find(path) === inode) };
}

function slots(disk: Disk): Stale[] {
  const found: Stale[] = [];
  for (const directory of disk.list(`/drive/${EXTENTS}`)) {
    for (const name of disk.list(`/drive/${EXTENTS}/${directory}`)) {
      const path = `/drive/${EXTENTS}/${directory}/${name}`;
      const inode = disk.find(path);
      if (inode) found.push({ path, inode, pages: new Map([...inode.pages].filter(([page]) => page >= BLOCKS_PER_EXTENT).map(([page, content]) => [page, Buffer.from(content)])) });
    }
  }
  return found;
}

/** All that a drive's own words are in. */
function metadata(disk: Disk): Page[] {
  const pages: Page[] = [0, 1].map((page) => ({ what: "superblock", path: `/drive/${SUPERBLOCK}`, page }));
  const add = (what: What, directory: string, wanted: (page: number, content: Buffer) => boolean): void => {
    for (const name of disk.list(directory)) {
      const path = `${directory}/${name}`;
      for (const [page, content] of disk.find(path)?.pages ?? []) if (wanted(page, content)) pages.push({ what, path, page });
    }
  };
  for (const directory of disk.list(`/drive/${EXTENTS}`)) add("trailer", `/drive/${EXTENTS}/${directory}`, (page) => page >= BLOCKS_PER_EXTENT);
  add("checkpoint", `/drive/${CHECKPOINTS}`, () => true);
  const journal = `/drive/${JOURNAL}`;
  const id = Number(disk.find(`${journal}/0000`)?.pages.get(0)?.readBigUInt64LE(8));
  const numberOf = (content: Buffer): number => peekBatch(content, 0, id)?.number ?? 0;
  let newest = 0;
  add("journal", journal, (page, content) => ((newest = Math.max(newest, page > 0 ? numberOf(content) : 0)), false));
  // Of a batch of several pages only the first tells its number.
  let number = 0;
  add("journal", journal, (page, content) => page === 0 || ((number = numberOf(content) || number), number <= newest - NEWEST_BATCHES));
  return pages;
}

function hurt(inode: Inode | null, { page }: Page, random: Random): void {
  if (!inode) throw new Error("there is such a page");
  if (random.below(3) === 0) return inode.hurtPage(page, null);
  const content = Buffer.from(inode.pages.get(page) ?? Buffer.alloc(BLOCK_BYTES));
  const at = random.below(Math.min(BLOCK_BYTES, inode.size - page * BLOCK_BYTES));
  content[at] = (content[at] as number) ^ (1 << random.below(8));
  inode.hurtPage(page, content);
}

type Outcome = "everything" | "bad blocks" | "damaged replica" | "refused";

/** What a start makes of the disk. Throws when something is missing and nothing says so. */
async function start(power: PowerFiles, { acknowledged }: Crashed): Promise<Outcome> {
  const platform = platformOf(power);
  let drive: LocalDrive;
  try {
    drive = await open(platform, "/drive");
  } catch (error) {
    if (!(error instanceof OpenError)) throw error;
    expect(error.reason).toBe("drive-failed");
    return "refused";
  }
  expect(drive.memory).toEqual(STORE);
  expect(drive.instance).toBeGreaterThan(1);
  const image = drive.images.get(GROUP);
  if (image?.damaged) {
    expect(platform.errors.length).toBeGreaterThan(0);
    return "damaged replica";
  }
  const last = image?.log.last.seq ?? 0;
  expect(last).toBeGreaterThanOrEqual(acknowledged);
  const model = new Model();
  const author = new Author();
  for (let seq = 1; seq <= last; seq += 1) model.apply(scripted(author, seq));
  const bad = await model.check(drive, true);
  expect(platform.errors.length).toBe(bad);
  // What was put right is so on the disk, too.
  await drive.close();
  return bad === 0 ? "everything" : "bad blocks";
}

/** How often each outcome came of each kind of page. */
const seen = new Map<string, number>();

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
  test(`after a crash, one page of metadata that rots costs nothing, or the drive says what it costs (seed ${seed})`, async () => {
    const state = await crashed(seed);
    const random = new Random(seed);
    const pages = metadata(state.disk);
    expect(new Set(pages.map(({ what }) => what)).size).toBe(4);
    for (const page of pages) {
      // Most pages of a journal are of freed batches: some are enough.
      if (page.what === "journal" && random.below(6) > 0) continue;
      const power = new PowerFiles(random, 0, state.disk.fork());
      hurt(power.disk.find(page.path), page, random);
      const outcome = await start(power, state);
      seen.set(`${page.what}: ${outcome}`, (seen.get(`${page.what}: ${outcome}`) ?? 0) + 1);
      // Only where an interrupted checkpoint had torn the other slot are checksums lost.
      if (page.what === "superblock" || (page.what === "trailer" && !state.interrupted)) expect(`${page.path} ${page.page}: ${outcome}`).toBe(`${page.path} ${page.page}: everything`);
      if (outcome === "everything") expect(await start(new PowerFiles(random, 0, power.disk), state)).toBe("everything");
    }
  }, 60_000);

  test(`a slot whose last write never reached the medium costs nothing (seed ${seed})`, async () => {
    const state = await crashed(2 * seed + 1);
    const random = new Random(seed);
    expect(state.stale.length).toBeGreaterThan(0);
    for (const { path, pages } of state.stale) {
      for (let slot = 0; slot < TRAILER_SLOTS; slot += 1) {
        const disk = state.disk.fork();
        for (let page = BLOCKS_PER_EXTENT + slot * SLOT_PAGES, left = SLOT_PAGES; left > 0; page += 1, left -= 1) disk.find(path)?.hurtPage(page, pages.get(page) ?? Buffer.alloc(BLOCK_BYTES));
        expect(await start(new PowerFiles(random, 0, disk), state)).toBe("everything");
        expect(await start(new PowerFiles(random, 0, disk), state)).toBe("everything");
      }
    }
  }, 60_000);
}

test("the crashes above were hurt in each of their parts", () => {
  for (const outcome of ["trailer: everything", "superblock: everything", "checkpoint: refused", "journal: everything", "journal: damaged replica"]) expect([...seen.keys()]).toContain(outcome);
  if (process.env["SHOW"]) console.log(Object.fromEntries(seen));
});
