import { afterEach, expect, test } from "bun:test";
import type { Epoch } from "../../../src/base/ids.ts";
import { groupId } from "../../../src/cluster/schema.ts";
import type { JournalRecord } from "../../../src/storage/drive/records.ts";
import { applied, Author, copy, GROUPS, MIB, newDrive, open, range, removeDirectories, testPlatform } from "./fixture.ts";
import { Model } from "./model.ts";
import { Random } from "./random.ts";

afterEach(removeDirectories);

function randomRecord(random: Random, author: Author, number: number): JournalRecord {
  const target = range(random.below(12), random.below(960), 1 + random.below(60), 7 + random.below(3));
  const skip = random.below(4) === 0 ? ([random.below(2 ** 32), random.below(2 ** 32)] as const) : null;
  const version = { epoch: 1 as Epoch, seq: number };
  switch (random.below(20)) {
    case 0:
      return author.purge(7 + random.below(3), groupId(1, random.below(GROUPS)));
    case 1: {
      const of = groupId(1, random.below(GROUPS));
      author.last.delete(of);
      return { type: "forget", group: of };
    }
    case 2:
      return copy(range(random.below(12), 0, 1024), 0, null);
    case 3:
    case 4:
    case 5:
      return copy(target, number, version, () => random.below(3) > 0);
    case 6:
    case 7:
    case 8:
      return author.unmap(target, skip);
    case 9:
      return author.unmap(range(random.below(12), 0, 1024));
    default:
      return author.write(target, number, skip);
  }
}

for (const seed of [1, 2, 3, 4]) {
  test(`a drive is what its records say, restarts in between (seed ${seed})`, async () => {
    const platform = testPlatform();
    const directory = await newDrive(platform, { segments: 4, bytes: MIB });
    const random = new Random(seed);
    const author = new Author();
    const model = new Model();
    let number = 0;
    for (let round = 0; round < 5; round += 1) {
      const drive = await open(platform, directory);
      await model.check(drive);
      const waiting: Promise<void>[] = [];
      for (let i = 0; i < 120; i += 1) {
        number += 1;
        const record = randomRecord(random, author, number);
        model.apply(record);
        const done = applied(drive, record);
        if (random.below(8) === 0) await done;
        else waiting.push(done);
      }
      await Promise.all(waiting);
      await model.check(drive);
      for (const [of, last] of author.last) expect(drive.images.get(of)?.log.last).toMatchObject(last);
      await drive.close();
    }
    expect(platform.fatals).toEqual([]);
    expect(platform.errors).toEqual([]);
  }, 20_000);
}
