import { expect, test } from "bun:test";
import { Initiator, ScsiError } from "../initiator/initiator.ts";
import { parsePortal } from "../initiator/url.ts";
import { expectReadable, startLoad } from "./load.ts";
import { INITIATOR, note, SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

const EXTENT_SECTORS = 8192;
const EXTENTS = 64;
const WRITE_PROTECTED = "7/27/0";
const NOT_READY = "2/4/a";

test("with two of three servers lost the cluster is read-only, and takes writes again by itself when they are back", async () => {
  const trial = await TrialUnderTest.make({ store: "sqlite" });
  try {
    const load = await startLoad(trial);
    await load.stop();
    const [survivor, second, third] = trial.servers;
    if (!survivor || !second || !third) throw new Error("a trial has three servers");
    const mine = await trial.volume("mine", "1GiB");
    const url = mine.find((one) => one.includes(survivor.portal)) ?? "";
    const host = await Initiator.connect(parsePortal(url), { initiatorName: INITIATOR });
    for (let extent = 0; extent < EXTENTS; extent += 1) await host.write(extent * EXTENT_SECTORS, content(extent));

    await Promise.all([second, third].map(({ name }) => trial.must("trial", "kill-server", name)));
    // Begun before anybody knows: it is answered when the cluster has become read-only.
    const begun = Promise.all(Array.from({ length: EXTENTS }, (_, extent) => senseOf(host.write(extent * EXTENT_SECTORS + 8, content(1000 + extent)))));
    const sentences = await trial.health("read-only");
    note(sentences.at(-1) ?? "");
    expect(sentences.at(-1)).toMatch(/Bring back server[23]/);
    expect(sentences.at(-1)).toContain("mine");
    const early = await begun;
    expect(early.filter((sense) => sense !== "good")).toContain(WRITE_PROTECTED);
    expect(early.filter((sense) => sense !== "good" && sense !== WRITE_PROTECTED)).toEqual([]);

    let readable = 0;
    for (let extent = 0; extent < EXTENTS; extent += 1) {
      // Also to groups that serve: a volume does not take some writes and refuse others.
      expect(await senseOf(host.write(extent * EXTENT_SECTORS, content(2000)))).toBe(WRITE_PROTECTED);
      let data: Buffer | null = null;
      const sense = await senseOf(host.read(extent * EXTENT_SECTORS, 8).then((read) => (data = read)));
      if (sense === "good") {
        readable += 1;
        expect((data as unknown as Buffer).equals(content(extent))).toBe(true);
      } else expect(sense).toBe(NOT_READY);
    }
    // Of three servers two are lost: a third of the groups had both copies there.
    expect(readable).toBeGreaterThan(0);
    expect(readable).toBeLessThan(EXTENTS);
    note(`${readable} of ${EXTENTS} extents were readable`);

    await Promise.all([second, third].map(({ name }) => trial.must("trial", "start-server", name)));
    await trial.health("healthy");
    for (let extent = 0; extent < EXTENTS; extent += 1) {
      expect((await host.read(extent * EXTENT_SECTORS, 8)).equals(content(extent))).toBe(true);
      await host.write(extent * EXTENT_SECTORS, content(3000 + extent));
    }
    await host.logout();
    await expectReadable(trial, load);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);

test("a lone survivor answers reads when an administrator says that the others are lost, and never before", async () => {
  const trial = await TrialUnderTest.make({ store: "etcd" });
  try {
    const [survivor, second, third] = trial.servers;
    if (!survivor || !second || !third) throw new Error("a trial has three servers");
    const url = (await trial.volume("mine", "1GiB")).find((one) => one.includes(survivor.portal)) ?? "";
    const connect = (): Promise<Initiator> => Initiator.connect(parsePortal(url), { initiatorName: INITIATOR });
    const before = await connect();
    for (let extent = 0; extent < EXTENTS; extent += 1) await before.write(extent * EXTENT_SECTORS, content(extent));
    await before.logout();
    // What a primary has told its members of its commit point is half a second old; what came after it would wait.
    await Bun.sleep(2000);
    const early = await trial.run("cluster", "confirm-lost", second.name, third.name);
    expect(early.code).toBe(1);
    expect(early.err).toContain("store answers");

    for (const { name } of [second, third]) await trial.must("trial", "kill-server", name);
    for (;;) {
      const { code, err } = await trial.run("cluster", "confirm-lost", second.name, third.name);
      if (code === 0) break;
      expect(err).toContain("store answers");
      await Bun.sleep(500);
    }
    note((await trial.health("read-only", "administrator's word")).at(-1) ?? "");
    const host = await connect();
    // The first one asks a drive; from then on the portal knows.
    const settled = async (command: () => Promise<unknown>): Promise<string> => {
      for (;;) {
        const sense = await senseOf(command());
        if (sense !== "status 8") return sense;
      }
    };
    let readable = 0;
    for (let extent = 0; extent < EXTENTS; extent += 1) {
      expect(await settled(() => host.write(extent * EXTENT_SECTORS, content(2000)))).toBe(WRITE_PROTECTED);
      let data: Buffer | null = null;
      const sense = await settled(() => host.read(extent * EXTENT_SECTORS, 8).then((read) => (data = read)));
      if (sense === "good") {
        readable += 1;
        expect((data as unknown as Buffer).equals(content(extent))).toBe(true);
      } else expect(sense).toBe(NOT_READY);
    }
    expect(readable).toBeGreaterThan(0);
    expect(readable).toBeLessThan(EXTENTS);
    note(`${readable} of ${EXTENTS} extents were readable`);

    for (const { name } of [second, third]) await trial.must("trial", "start-server", name);
    await trial.health("healthy");
    for (let extent = 0; extent < EXTENTS; extent += 1) {
      expect((await host.read(extent * EXTENT_SECTORS, 8)).equals(content(extent))).toBe(true);
      await host.write(extent * EXTENT_SECTORS, content(3000 + extent));
    }
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);

function content(value: number): Buffer {
  return Buffer.alloc(4096, `extent ${value};`);
}

/** "good", or "key/code/qualifier" in hexadecimal digits. */
async function senseOf(command: Promise<unknown>): Promise<string> {
  try {
    await command;
    return "good";
  } catch (error) {
    if (!(error instanceof ScsiError)) throw error;
    const { sense, status } = error;
    return sense === null ? `status ${status}` : [sense.key, sense.asc, sense.ascq].map((byte) => byte.toString(16)).join("/");
  }
}
