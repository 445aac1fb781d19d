import { assert } from "../../base/assert.ts";
import type { Epoch, GroupId, Instance, VolumeId } from "../../base/ids.ts";
import type { GroupConfig } from "../../cluster/schema.ts";
import { compareIds, laterId, NO_ENTRY, sameExtent, sameId, type BlockRange, type EntryHeader, type EntryId } from "../../wire/entry.ts";
import { EntryLog, idOf } from "./log.ts";
import type { JournalRecord, OperationResult } from "./records.ts";

/** Entries remembered in each log beyond what the rules forbid to forget: the length of absence that a delta recovery covers. */
export const LOG_ENTRIES_KEPT = 4096;
/** Trimming happens in steps of this part of what is kept, so that its cost is spread over many entries. */
const LOG_TRIM_PART = 8;

function sameRange(a: BlockRange, b: BlockRange): boolean {
  return sameExtent(a, b) && a.first === b.first && a.count === b.count;
}

/** protocol section 1, persistent state of one group's replica on one drive, as far as it is durable. */
export class ReplicaImage {
  readonly group: GroupId;
  /** Last config obeyed; its epoch is the highest epoch seen. */
  config: GroupConfig | null = null;
  log = new EntryLog();
  /** Highest id known to be on all members; old is safe, too new is not. */
  committed: EntryId = NO_ENTRY;
  incomplete = false;
  /** Meaningful while incomplete; otherwise everything in the log is complete. */
  incompleteThrough: EntryId = NO_ENTRY;
  /** Own entries that are not in the group's history; their ranges differ until copied (X25). */
  diverged: EntryHeader[] = [];
  reconciling: BlockRange[] = [];
  /** Lost acknowledged data (journal damage, a log shorter than what was acknowledged): never a source. */
  damaged = false;
  readonly operations = new Map<Instance, Map<number, number>>();
  readonly purged = new Set<VolumeId>();

  constructor(group: GroupId) {
    this.group = group;
  }

  get epoch(): Epoch {
    return this.config?.epoch ?? (0 as Epoch);
  }
  get incarnation(): number {
    return this.config?.incarnation ?? 0;
  }
  /** Everything up to this id is held completely. */
  get completeThrough(): EntryId {
    return this.incomplete ? this.incompleteThrough : this.log.last;
  }

  /** Applies a durable record; the extents are somebody else's. `kept`: R20, how many entries the log remembers at least. */
  reduce(record: JournalRecord, kept = LOG_ENTRIES_KEPT): void {
    switch (record.type) {
      case "entry":
        this.#append(record.entry);
        if (this.log.length >= kept + Math.ceil(kept / LOG_TRIM_PART)) this.log.trim(this.committed, kept);
        if (record.entry.kind === "no-op") this.reconciling = [];
        return;
      case "config":
        assert(record.config.epoch >= this.epoch, "I1: epochs only grow");
        this.config = record.config;
        return;
      case "catch-up":
        return this.#catchUp(record.common, record.base, record.entries);
      case "copy":
        return;
      case "caught-up":
        this.incomplete = false;
        // The log was made to begin at or before the group's commit point.
        this.committed = laterId(this.committed, this.log.base);
        this.diverged = [];
        this.reconciling = [];
        this.damaged = false;
        this.operations.clear();
        for (const operation of record.operations) this.#remember(operation);
        for (const volume of record.purged) this.purged.add(volume);
        return;
      case "mark":
        this.reconciling = [...this.reconciling, ...record.ranges.filter((range) => !this.reconciling.some((known) => sameRange(known, range)))];
        return;
      case "adopt":
        for (const { gateway, operation } of this.log.cutAfter(record.common)) this.operations.get(gateway)?.delete(operation);
        for (const entry of record.entries) this.#append(entry);
        return;
      case "committed":
        this.committed = laterId(this.committed, record.id);
        return;
      case "forget":
        return this.#forget();
    }
  }

  /** R16: a gateway that has been dead for long asks nothing again. */
  forgetGateway(gateway: Instance): void {
    this.operations.delete(gateway);
  }

  /** Nothing of the group is held any more, but the highest epoch seen: an old primary must not find an open ear here (R3e). */
  #forget(): void {
    this.log = new EntryLog();
    this.committed = NO_ENTRY;
    this.incomplete = false;
    this.incompleteThrough = NO_ENTRY;
    this.diverged = [];
    this.reconciling = [];
    this.damaged = false;
    this.operations.clear();
    this.purged.clear();
  }
  /** True for a replica that holds nothing: new, or forgotten. */
  get blank(): boolean {
    return this.log.length === 0 && sameId(this.log.base, NO_ENTRY) && !this.incomplete && !this.damaged && this.purged.size === 0;
  }

  operationResults(): OperationResult[] {
    return [...this.operations].flatMap(([gateway, results]) => [...results].map(([operation, result]) => ({ gateway, operation, result })));
  }

  #append(entry: EntryHeader): void {
    this.log.append(entry);
    if (entry.kind === "purge") this.purged.add(entry.volume);
    if (entry.gateway !== 0) {
      this.#forgetOperations(entry.gateway, entry.oldestOpen);
      this.#remember(entry);
    }
  }

  #remember({ gateway, operation, result }: OperationResult): void {
    let results = this.operations.get(gateway);
    if (!results) this.operations.set(gateway, (results = new Map()));
    results.set(operation, result);
  }

  #forgetOperations(gateway: Instance, oldestOpen: number): void {
    const results = this.operations.get(gateway);
    if (!results) return;
    for (const operation of results.keys()) if (operation < oldestOpen) results.delete(operation);
  }

  #catchUp(common: EntryId, base: EntryId, entries: readonly EntryHeader[]): void {
    const own = this.log.after(common);
    this.log = new EntryLog(base, [...entries]);
    const strangers = own.filter((entry) => compareIds(entry, this.committed) > 0 && !this.log.contains(entry) && !this.diverged.some((known) => sameId(known, entry)));
    this.diverged = [...this.diverged, ...strangers];
    this.incompleteThrough = common;
    this.incomplete = true;
    if (compareIds(this.committed, this.log.last) > 0) this.committed = idOf(common);
  }
}
