import { expect, test } from "bun:test";
import { groupId } from "../../../src/cluster/schema.ts";
import { formatDrive } from "../../../src/storage/drive/format.ts";
import { Author, CLUSTER, DRIVE, MIB, open, testPlatform, type TestPlatform } from "./fixture.ts";
import { Model } from "./model.ts";
import { PowerFiles } from "./power.ts";
import { Random } from "./random.ts";
import { scripted } from "./script.ts";

const GROUP = groupId(1, 0);
const SEEDS = Number(process.env["SEEDS"] ?? 6);
const FIRST_SEED = Number(process.env["SEED"] ?? 1);

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
  test(`what was acknowledged outlives kills and losses of power at any moment (seed ${seed})`, async () => {
    const power = new PowerFiles(new Random(seed));
    const random = new Random(seed);
    const model = new Model();
    const author = new Author();
    const platform = (): TestPlatform => ({ ...testPlatform(), files: power.files, clock: power.clock() });
    await formatDrive(platform(), { directory: "/drive", driveId: DRIVE, clusterId: CLUSTER, incarnation: 1, capacityBytes: MIB, journalSegments: 4, journalSegmentBytes: MIB / 2 });
    let modelled = 0;
    let acknowledged = 0;
    for (let round = 0; round < 12; round += 1) {
      const own = platform();
      await power.run(1 + random.below(4) * random.below(500), async () => {
        const drive = await open(own, "/drive");
        const log = drive.images.get(GROUP)?.log;
        const writer = new Author();
        if (log) writer.last.set(GROUP, log.last);
        let seq = log?.last.seq ?? 0;
        for (;;) {
          for (let i = random.below(12); i >= 0; i -= 1) {
            seq += 1;
            const mine = seq;
            drive.append(scripted(writer, mine), () => (acknowledged = Math.max(acknowledged, mine)));
          }
          await new Promise<void>((resolve) => drive.append({ type: "mark", group: GROUP, ranges: [] }, resolve));
          if (random.below(12) === 0) await drive.checkpointNow();
        }
      }, random.below(2) === 0 ? "kill" : "power");
      expect(own.fatals).toEqual([]);
      expect(own.errors).toEqual([]);
      if (round % 3 === 0) continue;
      const again = platform();
      const drive = await open(again, "/drive");
      const last = drive.images.get(GROUP)?.log.last.seq ?? 0;
      expect(last).toBeGreaterThanOrEqual(acknowledged);
      for (; modelled < last; modelled += 1) model.apply(scripted(author, modelled + 1));
      await model.check(drive);
      expect(again.errors).toEqual([]);
      if (round % 2 === 0) await drive.close();
      else await power.run(1 + random.below(30), () => drive.checkpointNow(), random.below(2) === 0 ? "kill" : "power");
    }
  }, 20_000);
}
