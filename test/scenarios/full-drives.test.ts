import { expect } from "bun:test";
import { join } from "node:path";
import { BLOCK_BYTES, fillBlock, recognize, SECTORS_PER_BLOCK } from "../initiator/content.ts";
import { BUSY, GOOD, Initiator, ScsiError, UNIT_ATTENTION } from "../initiator/initiator.ts";
import { parsePortal } from "../initiator/url.ts";
import { story, type Need } from "./needs.ts";
import { PowerDomain } from "./power.ts";
import { INITIATOR, note, TrialUnderTest } from "./trial-under-test.ts";

const MIB = 2 ** 20;
const SEED = 11;
const PIECE_BLOCKS = 128;
const BLOCKS_PER_EXTENT = 1024;
const PIECES_PER_EXTENT = BLOCKS_PER_EXTENT / PIECE_BLOCKS;
const PIECES = 1024 * MIB / (PIECE_BLOCKS * BLOCK_BYTES);
/** Every group has been refused by then. */
const REFUSED_ENOUGH = 400;
/** Pieces of 512 KiB: less than half of what fits, so that the first refusals cannot come of something else. */
const ALLOCATED_MIN = 300;
const DEPTH = 8;
const BUSY_AGAIN_MS = 100;
/** What an unmap frees is there again within seconds; the patience is for a slow machine. */
const FREED_WITHIN_MS = 60_000;
const SPACE_ALLOCATION_FAILED = "7/27/7";

const SHAPES: readonly { readonly name: string; readonly needs: readonly Need[]; readonly nominal: string; readonly diskBytes: number | null }[] = [
  { name: "that were promised little", needs: [], nominal: "256MiB", diskBytes: null },
  // Journal and file system take a part of it.
  { name: "whose disks are smaller than was said", needs: ["XFS on loop devices"], nominal: "512MiB", diskBytes: 400 * MIB },
];

/** "good", or key/code/qualifier in hexadecimal digits; BUSY is no outcome, hosts try again. */
async function outcome(attempt: () => Promise<unknown>): Promise<string> {
  for (;;) {
    try {
      await attempt();
      return "good";
    } catch (error) {
      if (!(error instanceof ScsiError)) throw error;
      const { sense, status } = error;
      if (status === BUSY || sense?.key === UNIT_ATTENTION) await Bun.sleep(BUSY_AGAIN_MS);
      else return sense === null ? `status ${status}` : [sense.key, sense.asc, sense.ascq].map((byte) => byte.toString(16)).join("/");
    }
  }
}

/** A host that knows which version each piece of its disk holds; 0 stands for zeros. */
class Filler {
  readonly versions = new Map<number, number>();
  readonly #session: Initiator;
  #version = 0;

  constructor(session: Initiator) {
    this.#session = session;
  }

  get written(): number[] {
    return [...this.versions].filter(([, version]) => version > 0).map(([piece]) => piece);
  }

  async write(piece: number): Promise<string> {
    const version = ++this.#version;
    const data = Buffer.alloc(PIECE_BLOCKS * BLOCK_BYTES);
    for (let index = 0; index < PIECE_BLOCKS; index++) fillBlock(data, index * BLOCK_BYTES, SEED, piece * PIECE_BLOCKS + index, version);
    const how = await outcome(() => this.#session.write(piece * PIECE_BLOCKS * SECTORS_PER_BLOCK, data));
    if (how === "good") this.versions.set(piece, version);
    return how;
  }

  /** UNMAP of a whole piece (SBC-3 5.28). */
  async unmap(piece: number): Promise<void> {
    const cdb = Buffer.alloc(10);
    cdb[0] = 0x42;
    cdb.writeUInt16BE(24, 7);
    const list = Buffer.alloc(24);
    list.writeUInt16BE(22, 0);
    list.writeUInt16BE(16, 2);
    list.writeBigUInt64BE(BigInt(piece * PIECE_BLOCKS * SECTORS_PER_BLOCK), 8);
    list.writeUInt32BE(PIECE_BLOCKS * SECTORS_PER_BLOCK, 16);
    const how = await outcome(async () => {
      const result = await this.#session.command(cdb, { data: list });
      if (result.status !== GOOD) throw new ScsiError("unmap", result);
    });
    expect(how).toBe("good");
    this.versions.set(piece, 0);
  }

  /** What pieces hold otherwise than they must, read through `session`. A piece that was only ever refused holds zeros. */
  async wrong(session: Initiator, pieces: readonly number[]): Promise<string[]> {
    const wrong: string[] = [];
    await inTurn(pieces, async (piece) => {
      const data = await session.read(piece * PIECE_BLOCKS * SECTORS_PER_BLOCK, PIECE_BLOCKS * SECTORS_PER_BLOCK);
      const version = this.versions.get(piece) ?? 0;
      for (let index = 0; index < PIECE_BLOCKS; index++) {
        const found = recognize(data, index * BLOCK_BYTES, SEED, piece * PIECE_BLOCKS + index);
        const holds = found.kind === "zeros" ? 0 : found.kind === "version" ? found.version : -1;
        if (holds !== version) return void wrong.push(`block ${index} of piece ${piece} holds ${holds} (${found.kind}) instead of ${version}`);
      }
    });
    return wrong;
  }
}

async function inTurn(pieces: readonly number[], work: (piece: number) => Promise<void>): Promise<void> {
  let next = 0;
  const slot = async (): Promise<void> => {
    for (let piece = pieces[next++]; piece !== undefined; piece = pieces[next++]) await work(piece);
  };
  await Promise.all(Array.from({ length: DEPTH }, slot));
}

for (const { name, needs, nominal, diskBytes } of SHAPES) {
  story(`full drives ${name} refuse new space alone, and take all again when some was freed`, needs, async () => {
    const power = await PowerDomain.make();
    const prepare = async (directory: string): Promise<void> => {
      if (diskBytes !== null) for (const server of ["server1", "server2", "server3"]) await power.mount(join(directory, server, "drive-0"), diskBytes);
    };
    const trial = await TrialUnderTest.make({ drives: 1, driveSize: nominal, prepare, release: () => power.remove() });
    try {
      const urls = await trial.volume("disk", "1GiB");
      const processes = trial.processes().map(({ pid }) => pid);
      const session = await Initiator.connect(parsePortal(urls[0] ?? ""), { initiatorName: INITIATOR, queueDepth: DEPTH });
      const filler = new Filler(session);
      const refused: number[] = [];
      const others: string[] = [];
      await inTurn(Array.from({ length: PIECES }, (_, piece) => piece), async (piece) => {
        if (refused.length >= REFUSED_ENOUGH) return;
        const how = await filler.write(piece);
        if (how === SPACE_ALLOCATION_FAILED) refused.push(piece);
        else if (how !== "good") others.push(how);
      });
      expect(others).toEqual([]);
      expect(refused.length).toBeGreaterThanOrEqual(REFUSED_ENOUGH);
      const allocated = filler.written;
      expect(allocated.length).toBeGreaterThan(ALLOCATED_MIN);
      const used = (await trial.status()).drives.map(({ usedBytes, capacityBytes }) => `${Math.round((usedBytes ?? 0) / MIB)} of ${Math.round(capacityBytes / MIB)} MiB`);
      note(`full: ${allocated.length * (PIECE_BLOCKS * BLOCK_BYTES) / MIB} MiB taken, drives ${used.join(", ")}`);

      // Overwrites need no space.
      await inTurn(allocated.filter((_, index) => index % 3 === 0), async (piece) => expect(await filler.write(piece)).toBe("good"));
      expect(await filler.wrong(session, refused)).toEqual([]);

      // Whole extents, of every group.
      const freed = allocated.filter((piece) => Math.floor(piece / PIECES_PER_EXTENT) % 2 === 0);
      await inTurn(freed, (piece) => filler.unmap(piece));
      const untilMs = performance.now() + FREED_WITHIN_MS;
      await inTurn(freed.slice(0, Math.floor(freed.length / 2)), async (piece) => {
        for (let how = await filler.write(piece); how !== "good"; how = await filler.write(piece)) {
          expect(how).toBe(SPACE_ALLOCATION_FAILED);
          if (performance.now() > untilMs) throw new Error(`what was unmapped is not free after ${FREED_WITHIN_MS / 1000} s`);
          await Bun.sleep(BUSY_AGAIN_MS);
        }
      });

      // Nobody ended on the way, as a drive does that fails.
      expect(processes.filter((pid) => !trial.processes().some((running) => running.pid === pid))).toEqual([]);
      await trial.health("healthy");
      for (const url of urls) {
        const reader = await Initiator.connect(parsePortal(url), { initiatorName: INITIATOR, queueDepth: DEPTH });
        expect(await filler.wrong(reader, [...filler.versions.keys()])).toEqual([]);
        await reader.logout();
      }
      await session.logout();
    } finally {
      await trial.wipe();
    }
  });
}
