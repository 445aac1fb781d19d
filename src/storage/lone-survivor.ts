import type { DriveId, ServerName } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import type { Clock } from "../platform/platform.ts";
import { keys } from "../cluster/schema.ts";
import type { ClusterStore } from "../platform/store.ts";
import type { Group } from "./group/group.ts";
import { storeTakenForLost, takenForLost, type Silence } from "./group/lone.ts";
import { GRACE_MS } from "./group/times.ts";

/** Well within what one refusal proves, so that a slow answer or two do not end it. */
const ASK_EVERY_MS = 400;
/** The store is asked this often while a group of this drive lacks somebody. */
const STORE_EVERY_MS = 2000;

/** Longer than any store takes to give up on a question. */
const STORE_ANSWERS_WITHIN_MS = 15_000;

/** Asks the port of a drive: "refused" is proof that nobody listens there, anything else is none. */
export type AskPort = (drive: DriveId, target: { readonly address: string; readonly port: number }) => Promise<"refused" | "unknown">;
/** An administrator's word on this server, with the clock of this machine; null: none. */
export type ReadWord = () => { readonly givenMs: number; readonly servers: readonly ServerName[] } | null;

export interface LoneSurvivorOptions {
  readonly driveId: DriveId;
  readonly clock: Clock;
  readonly store: ClusterStore;
  readonly map: ClusterMap;
  readonly askPort: AskPort;
  readonly word: ReadWord;
  groups(): Iterable<Group>;
  connected(drive: DriveId): boolean;
}

/** R24 at one drive: finds out who of the other members is down, for groups that lack a lease; says nothing to anybody. */
export class LoneSurvivor {
  readonly #options: LoneSurvivorOptions;
  readonly #asking = new Set<DriveId>();
  readonly #askedMs = new Map<DriveId, number>();
  readonly #heardMs = new Map<DriveId, number>();
  readonly #sinceMs: number;
  #storeAnsweredMs: number;
  #storeAskedMs = 0;
  #askingStore = false;

  constructor(options: LoneSurvivorOptions) {
    this.#options = options;
    this.#sinceMs = options.clock.nowMs();
    // Whoever starts has read the store.
    this.#storeAnsweredMs = this.#sinceMs;
  }

  heard(drive: DriveId): void {
    this.#heardMs.set(drive, this.#options.clock.nowMs());
  }
  storeAnswered(): void {
    this.#storeAnsweredMs = this.#options.clock.nowMs();
  }

  /** The other members of a group, all of them. Of none nobody is lost: an only member waits for the store, and for nobody else. */
  takenForLost(drives: readonly DriveId[]): boolean {
    return drives.length > 0 ? drives.every((drive) => this.#taken(drive)) : storeTakenForLost(this.#silence(new Set()));
  }

  /** Asks whoever a primary here has no channel to, at once after a channel broke and then again and again. */
  tick(): void {
    let lacking = false;
    const now = this.#options.clock.nowMs();
    for (const group of this.#options.groups()) {
      const { term } = group;
      if (!term) {
        lacking ||= now >= group.promiseUntilMs;
        continue;
      }
      for (const peer of term.required()) {
        if (this.#options.connected(peer.drive)) continue;
        lacking = true;
        void this.#ask(peer.drive, now);
        if (group.state !== "serving" || !this.#taken(peer.drive)) continue;
        term.takenForLost(peer.drive);
        group.serving?.leasesRenewed();
      }
    }
    if (lacking && now - this.#storeAskedMs >= STORE_EVERY_MS) void this.#askStore(now);
  }

  #taken(drive: DriveId): boolean {
    const server = this.#options.map.drives.get(drive)?.server;
    const named = server !== undefined && this.#options.word()?.servers.includes(server) === true;
    return takenForLost(this.#silence(new Set(named ? [drive] : [])), { drive, connected: this.#options.connected(drive), heardMs: this.#heardMs.get(drive) ?? this.#sinceMs - GRACE_MS });
  }

  /** `named`: whom the administrator's word names. */
  #silence(named: ReadonlySet<DriveId>): Silence {
    const { clock, map } = this.#options;
    const word = this.#options.word();
    return { nowMs: clock.nowMs(), storeAnsweredMs: this.#storeAnsweredMs, word: word && { givenMs: word.givenMs, drives: named }, auto: map.settings.loneSurvivor === "auto" };
  }

  async #ask(drive: DriveId, now: number): Promise<void> {
    const target = this.#options.map.drives.get(drive);
    if (!target || this.#asking.has(drive) || now - (this.#askedMs.get(drive) ?? -Infinity) < ASK_EVERY_MS) return;
    this.#asking.add(drive);
    this.#askedMs.set(drive, now);
    const answer = await this.#options.askPort(drive, target);
    this.#asking.delete(drive);
    for (const { term, state, serving } of this.#options.groups()) {
      if (answer === "refused") term?.portRefused(drive, now, state === "serving");
      else term?.portUnproved(drive);
      serving?.leasesRenewed();
    }
  }

  async #askStore(now: number): Promise<void> {
    if (this.#askingStore) return;
    // It was not asked for a while: until now nothing says that it was silent.
    if (now - this.#storeAskedMs > 2 * STORE_EVERY_MS + STORE_ANSWERS_WITHIN_MS) this.storeAnswered();
    this.#askingStore = true;
    this.#storeAskedMs = now;
    const answered = await this.#options.store.get(keys.cluster).then(() => true, () => false);
    this.#askingStore = false;
    if (answered) this.storeAnswered();
  }
}
