import { expect, test } from "bun:test";
import type { Dice } from "../../simulator/disk.ts";
import { formatDrive } from "../../../src/storage/drive/format.ts";
import { Author, CLUSTER, DRIVE, MIB, open, range, testPlatform, type TestPlatform } from "./fixture.ts";
import { Model } from "./model.ts";
import { PowerFiles } from "./power.ts";

const EXTENT = 4;
const OTHER = 8;
/** Operations of a checkpoint after a restart: a sync of each directory of extents, and what is written. */
const CHECKPOINT_OPERATIONS = 320;

/** What a loss of power leaves where it may choose. */
const LOSSES: Readonly<Record<string, Dice>> = {
  "nothing that was not synced": { below: (count) => (count === 5 ? 2 : 0) },
  "half of every page that was not synced": alternating(),
};
function alternating(): Dice {
  let turn = 0;
  return { below: (count) => (count === 5 ? 4 : count === 2 ? (turn = 1 - turn) : 0) };
}

/** A drive with two extents is written to, and one of them dropped, until its process is killed; all operations given to the kernel happen. */
async function killed(power: PowerFiles, operations: number, model: Model): Promise<void> {
  const platform = (): TestPlatform => ({ ...testPlatform(), files: power.files, clock: power.clock() });
  await formatDrive(platform(), { directory: "/drive", driveId: DRIVE, clusterId: CLUSTER, incarnation: 1, capacityBytes: MIB, journalSegments: 2, journalSegmentBytes: 64 * 1024 });
  const author = new Author();
  const first = await open(platform(), "/drive");
  const before = author.write(range(EXTENT, 0, 2), 1);
  model.apply(before);
  await new Promise<void>((resolve) => first.append(before, null, resolve));
  await first.close();
  const drive = await open(platform(), "/drive");
  const records = [author.write(range(EXTENT, 1, 2), 2), author.write(range(OTHER, 0, 2), 3), author.unmap(range(EXTENT, 0, 1024))];
  let left = records.length;
  await new Promise<void>((resolve) => {
    for (const record of records) {
      model.apply(record);
      drive.append(record, null, () => --left === 0 && resolve());
    }
  });
  await power.run(operations, () => drive.checkpointNow(), "kill");
}

for (const [what, dice] of Object.entries(LOSSES)) {
  test(`what a killed process left in the page cache is not relied on: the power then takes ${what}`, async () => {
    let ended = 0;
    for (let kill = 1; kill < 24; kill += 1) {
      for (let loss = 1; loss < CHECKPOINT_OPERATIONS; loss += loss < 12 || loss > 260 ? 2 : 60) {
        const power = new PowerFiles(dice, 0);
        const model = new Model();
        await killed(power, kill, model);
        const platform = (): TestPlatform => ({ ...testPlatform(), files: power.files, clock: power.clock() });
        const again = await open(platform(), "/drive");
        if (await power.run(loss, () => again.checkpointNow())) ended += 1;
        // The last checkpoint freed the journal: what is appended goes over what it held.
        await power.run(1, () => power.files.list("/drive").then(() => undefined));
        const last = platform();
        const drive = await open(last, "/drive");
        await model.check(drive);
        expect(last.errors).toEqual([]);
        await drive.close();
      }
    }
    expect(ended).toBeGreaterThan(0);
  }, 60_000);
}
