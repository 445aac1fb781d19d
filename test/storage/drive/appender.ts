// A process of its own that appends the script to the drive in argv[2], saying on standard output what is durable, until it is
// killed. With argv[3] "hold" it only opens the drive.
import { writeSync } from "node:fs";
import { groupId } from "../../../src/cluster/schema.ts";
import { NO_ENTRY } from "../../../src/wire/entry.ts";
import { Author, open, testPlatform } from "./fixture.ts";
import { scripted } from "./script.ts";

const drive = await open(testPlatform(), process.argv[2] as string);
writeSync(1, "open\n");
if (process.argv[3] !== "hold") {
  const group = groupId(1, 0);
  const last = drive.images.get(group)?.log.last ?? NO_ENTRY;
  const author = new Author();
  author.last.set(group, last);
  let seq = last.seq;
  const next = (): void => {
    seq += 1;
    const mine = seq;
    drive.append(scripted(author, mine), () => {
      writeSync(1, `${mine}\n`);
      next();
    });
  };
  for (let depth = 0; depth < 16; depth += 1) next();
}
setInterval(() => {}, 1000);
