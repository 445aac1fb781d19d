import { assert } from "../../base/assert.ts";
import type { Epoch, GroupId, Instance, VolumeId } from "../../base/ids.ts";
import { groupFactor, type GroupConfig } from "../../cluster/schema.ts";
import { compareIds, laterId, NO_ENTRY, sameExtent, sameId, type BlockRange, type EntryHeader, type EntryId } from "../../wire/entry.ts";
import { ChangeMap } from "./changes.ts";
import { EntryLog, idOf } from "./log.ts";
import type { JournalRecord, OperationResult } from "./records.ts";

/** R20: how much of the past a replica remembers beyond what the rules forbid to forget. */
export interface Keeping {
  /** Entries in the log: a copy that was away for no more than these is brought back by exactly what it missed. */
  readonly entries: number;
  /** Ranges in the map of changes, 8 bytes each; over it a copy that was away is compared by digests. */
  readonly changes: number;
  /** R20: an entry stays for so long after it was acknowledged: a late repetition must find it (R15). Less only in simulation. */
  readonly settledMs: number;
}
/** With 340 groups on a drive of 16 TB: 340 x (128 x about 300 bytes + 64 KiB) are 35 MB at the worst. */
export const KEEPING: Keeping = { entries: 128, changes: 8192, settledMs: 10_000 };
/** Over this a log lets go of what is committed, however young: bounds memory, and the messages that carry a log. */
const LOG_ENTRIES_MAX = 65_536;

function sameRange(a: BlockRange, b: BlockRange): boolean {
  return sameExtent(a, b) && a.first === b.first && a.count === b.count;
}

/** protocol section 1, persistent state of one group's replica on one drive, as far as it is durable. */
export class ReplicaImage {
  readonly group: GroupId;
  /** Last config obeyed; its epoch is the highest epoch seen. */
  config: GroupConfig | null = null;
  log = new EntryLog();
  /** What the log has let go of while copies were absent. */
  changes = new ChangeMap();
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
  /** R23: the group was given up to another copy while this one was away: what it holds is parked before it is overwritten. */
  givenUp = false;
  readonly operations = new Map<Instance, Map<number, number>>();
  /** R16: the gateway has no open operation below this. Not kept over a restart: what is older than that is late anyway (R15 i). */
  readonly oldestOpen = new Map<Instance, number>();
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

  /** Applies a durable record; the extents are somebody else's. */
  reduce(record: JournalRecord, keeping = KEEPING): void {
    switch (record.type) {
      case "entry":
        this.#append(record.entry);
        if (record.entry.kind === "no-op") this.reconciling = [];
        if (this.log.length >= LOG_ENTRIES_MAX) this.#trim(this.committed, LOG_ENTRIES_MAX / 2, keeping);
        return;
      case "config":
        assert(record.config.epoch >= this.epoch, "I1: epochs only grow");
        this.#obey(record.config);
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
        this.givenUp = false;
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
        this.#trim(record.settled, keeping.entries, keeping);
        return;
      case "forget":
        return this.#forget();
      case "accept-loss":
        return this.#acceptLoss(record.config);
    }
  }

  /** R16: a gateway that has been dead for long asks nothing again. */
  forgetGateway(gateway: Instance): void {
    this.operations.delete(gateway);
    this.oldestOpen.delete(gateway);
  }

  /** Nothing of the group is held any more, but the highest epoch seen: an old primary must not find an open ear here (R3e). */
  #forget(): void {
    this.log = new EntryLog();
    this.changes = new ChangeMap();
    this.committed = NO_ENTRY;
    this.incomplete = false;
    this.incompleteThrough = NO_ENTRY;
    this.diverged = [];
    this.reconciling = [];
    this.damaged = false;
    this.givenUp = false;
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

  /** R20: nothing above `committed`; what goes is kept as changes while the group is short of copies. */
  #trim(through: EntryId, keep: number, keeping: Keeping): void {
    const limit = compareIds(through, this.committed) <= 0 ? through : this.committed;
    for (const entry of this.log.trim(limit, keep)) this.changes.fold(entry, keeping.changes);
  }

  /**
   * R23: what is here is whole by an administrator's word, for the configuration that the word was given for. The log begins anew at
   * an id of that epoch, so that no entry from before is a common point with any other copy.
   */
  #acceptLoss(config: GroupConfig): void {
    assert(config.loss?.epoch === config.epoch && config.epoch > this.epoch, "R23: a word counts for its own configuration, once");
    const base: EntryId = { epoch: config.epoch, seq: this.log.last.seq + 1 };
    this.log = new EntryLog(base);
    this.changes.reset(base);
    this.committed = base;
    this.incomplete = false;
    this.damaged = false;
    this.givenUp = false;
    this.diverged = [];
    this.reconciling = [];
    this.#obey(config);
  }

  /** R9: from when a copy leaves until the group is whole again, what the log lets go of is kept in the map of changes. */
  #obey(config: GroupConfig): void {
    const before = this.config;
    // R23: another history goes on. This one is no source and has no common point with it, until it is copied anew.
    if (config.loss && config.loss.epoch > this.epoch && config.epoch !== config.loss.epoch && !this.blank) this.damaged = this.givenUp = true;
    this.config = config;
    if (config.members.length > groupFactor(this.group) && config.learners.length === 0) return this.changes.reset(this.log.base);
    // What is committed by now is on every copy that leaves now.
    const left = before === null || before.members.some((drive) => !config.members.includes(drive));
    if (left || !this.changes.isKeeping) this.changes.begin(this.committed);
  }

  #remember({ gateway, operation, result }: OperationResult): void {
    let results = this.operations.get(gateway);
    if (!results) this.operations.set(gateway, (results = new Map()));
    results.set(operation, result);
  }

  #forgetOperations(gateway: Instance, oldestOpen: number): void {
    // Entries of one gateway may come in another order than it asked: the floor only rises.
    if (oldestOpen <= (this.oldestOpen.get(gateway) ?? 0)) return;
    this.oldestOpen.set(gateway, oldestOpen);
    const results = this.operations.get(gateway);
    if (!results) return;
    for (const operation of results.keys()) if (operation < oldestOpen) results.delete(operation);
  }

  #catchUp(common: EntryId, base: EntryId, entries: readonly EntryHeader[]): void {
    const own = this.log.after(common);
    this.log = new EntryLog(base, [...entries]);
    const { isKeeping } = this.changes;
    this.changes.reset(base);
    if (isKeeping) this.changes.begin(base);
    const strangers = own.filter((entry) => compareIds(entry, this.committed) > 0 && !this.log.contains(entry) && !this.diverged.some((known) => sameId(known, entry)));
    this.diverged = [...this.diverged, ...strangers];
    this.incompleteThrough = common;
    this.incomplete = true;
    if (compareIds(this.committed, this.log.last) > 0) this.committed = idOf(common);
  }
}
