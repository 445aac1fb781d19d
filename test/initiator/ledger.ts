import { type Found } from "./content.ts";

/** What each block must hold: the last acknowledged version, or one whose outcome nobody knows. */
export class Ledger {
  readonly #issued: Uint32Array;
  readonly #acknowledged: Uint32Array;
  readonly #acknowledgedAtMs: Float64Array;
  /** Versions after the acknowledged one that may have happened. */
  readonly #doubtful = new Map<number, number[]>();
  /** Writes of one block each that were acknowledged. */
  acknowledgedCount = 0;

  constructor(blocks: number) {
    this.#issued = new Uint32Array(blocks);
    this.#acknowledged = new Uint32Array(blocks);
    this.#acknowledgedAtMs = new Float64Array(blocks);
  }

  get blocks(): number {
    return this.#issued.length;
  }

  /** A new version, about to be written. It is doubtful until it is acknowledged. */
  issue(block: number): number {
    const version = (this.#issued[block] ?? 0) + 1;
    this.#issued[block] = version;
    this.#doubtful.set(block, [...(this.#doubtful.get(block) ?? []), version]);
    return version;
  }

  /** `version` is the newest of its block, and nothing that was issued before it may appear any more. */
  acknowledge(block: number, version: number): void {
    this.#acknowledged[block] = version;
    this.#acknowledgedAtMs[block] = Date.now();
    this.#doubtful.delete(block);
    this.acknowledgedCount++;
  }

  /** The newest version issued of each block, to be compared with a later look. */
  versions(): Uint32Array {
    return this.#issued.slice();
  }

  wasIssued(block: number): boolean {
    return (this.#issued[block] ?? 0) > 0;
  }

  /** Null when `found` is what the block may hold, else the complaint. */
  judge(block: number, found: Found): string | null {
    const acknowledged = this.#acknowledged[block] ?? 0;
    const allowed = [acknowledged, ...(this.#doubtful.get(block) ?? [])];
    if (found.kind !== "foreign" && allowed.includes(found.kind === "zeros" ? 0 : found.version)) return null;
    const holds = found.kind === "zeros" ? "zeros" : found.kind === "version" ? `version ${found.version}` : found.what;
    const at = acknowledged === 0 ? "never acknowledged" : `acknowledged ${new Date(this.#acknowledgedAtMs[block] ?? 0).toISOString()}`;
    return `block ${block} (LBA ${block * 8}, extent ${block >>> 10}) holds ${holds} instead of version ${allowed.join(" or ")} (${at})`;
  }
}
