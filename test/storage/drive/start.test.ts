import { expect, test } from "bun:test";
import { formatDrive } from "../../../src/storage/drive/format.ts";
import { EXTENTS } from "../../../src/storage/drive/layout.ts";
import { applied, Author, CLUSTER, DRIVE, MIB, open, range, testPlatform, type TestPlatform } from "./fixture.ts";
import { PowerFiles } from "./power.ts";
import { Random } from "./random.ts";

const COUNT = 9;

/** A drive with extents, of which a checkpoint covers all but what was written last to some. */
async function written(end: "closed" | "killed"): Promise<PowerFiles> {
  const power = new PowerFiles(new Random(1), 0);
  await formatDrive(platformOf(power), { directory: "/drive", driveId: DRIVE, clusterId: CLUSTER, incarnation: 1, capacityBytes: MIB, journalSegments: 2, journalSegmentBytes: MIB });
  const drive = await open(platformOf(power), "/drive");
  const author = new Author();
  for (let extent = 0; extent < COUNT; extent += 1) await applied(drive, author.write(range(extent, 0, 2), extent));
  await drive.checkpointNow();
  for (let extent = 0; extent < COUNT; extent += 3) for (let i = 0; i < 3; i += 1) await applied(drive, author.write(range(extent, 8 + i, 1), extent));
  if (end === "closed") await drive.close();
  else await power.run(1, () => power.files.list("/drive").then(() => undefined), "kill");
  return power;
}
function platformOf(power: PowerFiles): TestPlatform {
  return { ...testPlatform(), files: power.files, clock: power.clock() };
}

for (const [end, reads] of [
  ["closed", 0],
  ["killed", COUNT],
] as const) {
  test(`the start of a drive that was ${end} reads the checksums of each extent ${reads > 0 ? "once" : "not at all"}`, async () => {
    const power = await written(end);
    const found: string[] = [];
    power.begun = ({ kind, path }) => {
      if (kind === "read" && path.includes(`/${EXTENTS}/`)) found.push(path);
    };
    const drive = await open(platformOf(power), "/drive");
    expect(found.length).toBe(reads);
    expect(new Set(found).size).toBe(reads);
    expect(drive.extents().length).toBe(COUNT);
    await drive.close();
  });
}
