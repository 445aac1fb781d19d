import { expect, test } from "bun:test";
import { keys } from "../../src/cluster/schema.ts";
import { seeded } from "./fake-platform.ts";
import { put, SIZE_BYTES } from "./fake-storage.ts";
import { World } from "./world.ts";

const SECTORS = SIZE_BYTES / 512;

/** One seed: reads, writes and unmaps of any range, three at a time on ranges apart, while channels drop and primaries move. */
async function run(seed: number): Promise<void> {
  const random = seeded(seed);
  const below = (count: number): number => Math.floor(random() * count);
  const world = new World();
  const model = Buffer.alloc(SIZE_BYTES);
  for (const drive of world.drives) {
    drive.behave = () => {
      const dice = below(60);
      if (dice === 0) world.clock.timer(below(4), () => drive.dropChannels());
      if (dice === 0) return "swallow-reply";
      return dice === 1 ? "not-primary" : dice === 2 ? "unknown-volume" : dice === 3 ? "corrupt" : "serve";
    };
  }
  for (let step = 0; step < 40; step += 1) {
    if (below(6) === 0) world.elect(below(3));
    if (below(10) === 0) world.restart(below(3));
    if (below(15) === 0) {
      // A drive's record goes away for a while.
      const drive = world.drive(below(3));
      world.gateway.mapChanged([put(world.map, keys.drive(drive.id), null)]);
      world.clock.timer(50, () => world.register(world.drives.indexOf(drive), 7000 + world.drives.indexOf(drive)));
    }
    const cuts = [0, below(SECTORS), below(SECTORS), SECTORS].sort((a, b) => a - b);
    const commands: Promise<void>[] = [];
    for (let part = 0; part < 3; part += 1) {
      const [from, to] = [cuts[part] as number, cuts[part + 1] as number];
      if (to === from) continue;
      const lba = from + below(to - from);
      const count = 1 + below(Math.min(to - lba, below(3) === 0 ? 5000 : 40));
      const kind = below(5);
      if (kind < 2) {
        const data = Buffer.alloc(count * 512, below(256));
        data.copy(model, lba * 512);
        commands.push(world.volume.write(lba, data).then((result) => expect(result.ok).toBe(true)));
      } else if (kind === 2) {
        model.fill(0, lba * 512, (lba + count) * 512);
        commands.push(world.volume.unmap(lba, count).then((result) => expect(result.ok).toBe(true)));
      } else {
        const expected = Buffer.from(model.subarray(lba * 512, (lba + count) * 512));
        commands.push(world.volume.read(lba, count).then((result) => expect(result.ok && result.value.equals(expected)).toBe(true)));
      }
    }
    await world.clock.until(Promise.all(commands));
  }
  for (const drive of world.drives) drive.behave = () => "serve";
  const all = await world.clock.until(world.volume.read(0, SECTORS));
  expect(all.ok && all.value.equals(model)).toBe(true);
  expect(world.executedOnce()).toBe(true);
  expect(world.gateway.oldestOpen).toBe(1 + Math.max(...[...world.content.executions.keys()].map((key) => Number(key.split(":")[1]))));
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`a volume is one array of blocks whatever happens to channels and primaries (seed ${seed})`, () => run(seed));
}
