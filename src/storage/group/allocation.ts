import type { BlockRange } from "../../wire/entry.ts";
import { EXTENT_OVERHEAD_BLOCKS } from "../drive/drive.ts";
import type { Room } from "../space.ts";
import type { Serving } from "./serving.ts";
import type { PeerState } from "./term.ts";

interface Copied {
  readonly range: BlockRange;
  readonly checksums: Uint32Array;
  /** They take up their space though nothing is in them. */
  readonly lost: boolean;
}

/** R17 at the primary: everybody's credits are there before an entry is assigned, or nothing is journalled anywhere. */
export class Allocation {
  readonly #serving: Serving;
  /** Writes that wait for credits; as many as gateways have commands open. */
  #waiting: (() => void)[] = [];

  constructor(serving: Serving) {
    this.#serving = serving;
  }

  /** What the write is charged with when there is room for the worst case; null = it must be looked at more closely. */
  quick(range: BlockRange): number | null {
    const blocks = range.count + EXTENT_OVERHEAD_BLOCKS;
    const { host, term } = this.#serving;
    // A learner with little room is given the exact number, too, lest it fall out of the stream for nothing.
    const learnersHaveRoom = [...term.peers.values()].every(({ streaming, channel }) => !streaming || host.space.roomAt(channel, blocks) === "room");
    return learnersHaveRoom && this.#room(blocks) === "room" ? blocks : null;
  }

  /** As `quick`, by what is allocated now. The caller holds the range's lock: nothing changes until it has assigned the write. */
  async exact(range: BlockRange): Promise<number | "wait" | "full"> {
    const read = await this.#serving.host.drive.read(range);
    const allocated = read.checksums.filter((checksum) => checksum !== 0).length;
    // A bad block takes up its space even when not even its checksum is known.
    const unknown = read.ok ? 0 : read.badBlocks.filter((block) => read.checksums[block - range.first] === 0).length;
    const blocks = range.count - allocated - unknown + (read.version === null ? EXTENT_OVERHEAD_BLOCKS : 0);
    if (blocks === 0) return 0;
    const room = this.#room(blocks);
    return room === "room" ? blocks : room;
  }

  /** True while some member has not said yet what it grants: whoever needs credits need not look. */
  get unknown(): boolean {
    return this.#serving.term.required().some(({ channel }) => this.#serving.host.space.roomAt(channel, 0) === "wait");
  }

  whenGranted(run: () => void): void {
    this.#waiting.push(run);
  }
  wake(): void {
    if (this.#waiting.length > 0) for (const run of this.#waiting.splice(0)) run();
  }

  /** What copies to a learner are charged with when they are sent; null = it has no room for them. The caller holds their range's lock. */
  async forCopies(peer: PeerState, copies: readonly Copied[]): Promise<number[] | null> {
    const { space } = this.#serving.host;
    const sum = (): number => charges.reduce((total, charge) => total + charge, 0);
    let charges = copies.map(({ checksums, lost }) => checksums.filter((checksum) => lost || checksum !== 0).length).map((written) => (written === 0 ? 0 : written + EXTENT_OVERHEAD_BLOCKS));
    if (sum() > 0 && space.roomAt(peer.channel, sum()) !== "room") {
      const exact = await Promise.all(copies.map((copied) => this.#lacking(peer, copied)));
      charges = exact.filter((charge) => charge !== null);
      if (charges.length < copies.length || (sum() > 0 && space.roomAt(peer.channel, sum()) !== "room")) return null;
    }
    return charges;
  }
  /** Blocks that the learner would have to allocate; null = it does not say. */
  async #lacking(peer: PeerState, { range, checksums, lost }: Copied): Promise<number | null> {
    const there = await this.#serving.repair.question(peer, (shared) => ({ ...shared, type: "fetch", range, content: false }));
    if (there?.type !== "fetched") return null;
    return checksums.filter((checksum, i) => (lost || checksum !== 0) && there.checksums[i] === 0).length + (there.version ? 0 : EXTENT_OVERHEAD_BLOCKS);
  }

  #room(blocks: number): Room {
    const { space } = this.#serving.host;
    const rooms = [space.roomHere(blocks), ...this.#serving.term.required().map(({ channel }) => space.roomAt(channel, blocks))];
    return rooms.includes("full") ? "full" : rooms.includes("wait") ? "wait" : "room";
  }
}
