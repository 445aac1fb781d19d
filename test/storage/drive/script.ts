import type { EntryRecord } from "../../../src/storage/drive/records.ts";
import { Author, range } from "./fixture.ts";
import { Random } from "./random.ts";

/** Record number `seq` of an endless script in one group: the same in every process. */
export function scripted(author: Author, seq: number): EntryRecord {
  const random = new Random(seq);
  const extent = 4 * random.below(6);
  const kind = random.below(12);
  const first = random.below(1000);
  const count = 1 + random.below(kind === 0 ? 24 : 8);
  if (kind === 1) return author.unmap(range(extent, 0, 1024));
  if (kind < 4) return author.unmap(range(extent, first, count));
  return author.write(range(extent, first, count), seq);
}
