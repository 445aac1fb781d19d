import type { DriveId } from "../../base/ids.ts";
import type { GroupConfig, WaitReason } from "../../cluster/schema.ts";
import type { Log, Timer } from "../../platform/platform.ts";
import type { GroupHost } from "./host.ts";
import { Peering } from "./peering.ts";
import type { Replica } from "./replica.ts";
import type { Term } from "./term.ts";
import * as times from "./times.ts";

/** What the rounds of one group need of it. */
export interface RoundsOwner {
  /** Begins a round when one may begin. */
  again(): void;
  changeConfig(changes: Partial<GroupConfig>, why: string): boolean;
  startServing(): void;
}

/** R7 in rounds, until one ends with equal copies: when a round may begin is the group's affair, what follows from it is here. */
export class Rounds {
  readonly #host: GroupHost;
  readonly #replica: Replica;
  readonly #log: Log;
  readonly #owner: RoundsOwner;
  #retry: Timer | null = null;
  #waitingFor: WaitReason | null = null;

  constructor(host: GroupHost, replica: Replica, log: Log, owner: RoundsOwner) {
    this.#host = host;
    this.#replica = replica;
    this.#log = log;
    this.#owner = owner;
  }

  /** R7b: what the last round ended with and the next one waits for, so that hosts and the administrator can be told; null when none waits. */
  get waitingFor(): WaitReason | null {
    return this.#waitingFor;
  }

  /** One round; `current` turns false when the epoch or the term has ended. */
  begin(term: Term, current: () => boolean): void {
    if (!this.#replica.settled) return this.#later(times.PEERING_AGAIN_MS);
    new Peering(this.#host, term, this.#replica, current, {
      lost: (drives) => this.#removeLost(term, drives),
      stuck: () => this.#wait("unreadable-copy"),
      equal: () => {
        this.#waitingFor = null;
        this.#owner.startServing();
      },
    }).start();
  }

  end(): void {
    this.#retry?.cancel();
    this.#waitingFor = null;
  }

  /** R7b: members that lost acknowledged data leave; the primary itself hands over; when nobody whole would remain the group waits. */
  #removeLost(term: Term, lost: readonly DriveId[]): void {
    const whole = term.config.members.filter((drive) => !lost.includes(drive));
    const heir = whole[0];
    if (heir === undefined) return this.#wait("no-whole-copy");
    for (const drive of lost) this.#log.error("a drive lost acknowledged data of a group and leaves it", { drive });
    if (lost.includes(this.#host.driveId)) this.#owner.changeConfig({ members: whole, primary: heir, primaryInstance: 0 as never }, "this drive lost data");
    else this.#owner.changeConfig({ members: whole }, "drives lost data");
  }

  #wait(reason: WaitReason): void {
    if (this.#waitingFor !== reason) {
      this.#waitingFor = reason;
      if (reason === "no-whole-copy") this.#log.error("no copy of a group is known to be whole: it is not served; bring back the drives that are missing");
      this.#host.changed();
    }
    this.#later(times.NO_WHOLE_COPY_AGAIN_MS);
  }

  #later(afterMs: number): void {
    this.#retry?.cancel();
    this.#retry = this.#host.clock.timer(afterMs, () => this.#owner.again());
  }
}
