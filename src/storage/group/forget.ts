import type { GroupConfig } from "../../cluster/schema.ts";
import type { Log } from "../../platform/platform.ts";
import type { GroupHost } from "./host.ts";
import type { Replica } from "./replica.ts";
import { FORGET_AFTER_MS } from "./times.ts";

/** R12: a replica's data that the configuration no longer names is dropped only when the group is whole without it. */
export class Forgetting {
  readonly #host: GroupHost;
  readonly #replica: Replica;
  readonly #log: Log;
  #unnamedSinceMs = Infinity;
  #reading = false;

  constructor(host: GroupHost, replica: Replica, log: Log) {
    this.#host = host;
    this.#replica = replica;
    this.#log = log;
  }

  /** `config` may be old: what is dropped is decided by a fresh read. `idle`: the group has nothing else under way. */
  consider(config: GroupConfig, idle: () => boolean): void {
    if (!this.#replica.image || this.#replica.image.blank || !this.#wholeWithout(config)) {
      this.#unnamedSinceMs = Infinity;
      return;
    }
    const now = this.#host.clock.nowMs();
    this.#unnamedSinceMs = Math.min(this.#unnamedSinceMs, now);
    if (now - this.#unnamedSinceMs < FORGET_AFTER_MS || this.#reading || !idle()) return;
    this.#reading = true;
    const { generation } = this.#replica;
    void this.#host.readConfig(this.#replica.group).then((stored) => {
      this.#reading = false;
      // A fence since the read began means that the group wants this replica again.
      if (!stored || !idle() || stored.config.epoch !== config.epoch || this.#replica.generation !== generation) return;
      if ((this.#replica.image?.epoch ?? 0) > stored.config.epoch) return;
      this.#unnamedSinceMs = Infinity;
      this.#log.info("dropping a group's data: the group is whole on other drives", { members: stored.config.members });
      this.#replica.unfence();
      this.#host.drive.append({ type: "forget", group: this.#replica.group });
    });
  }

  #wholeWithout(config: GroupConfig): boolean {
    const self = this.#host.driveId;
    // R23: kept aside, never served: what a lost drive brings back may be all that is left of something.
    if (config.loss?.drives.some(({ drive }) => drive === self) && (this.#replica.image?.givenUp || (this.#replica.image?.epoch ?? 0) < config.loss.epoch)) return false;
    const wanted = this.#host.plan(this.#replica.group)?.wanted;
    if (config.incarnation !== this.#host.incarnation()) return false;
    if (!wanted || wanted.includes(self) || config.members.includes(self) || config.learners.length > 0) return false;
    return wanted.every((drive) => config.members.includes(drive));
  }
}
