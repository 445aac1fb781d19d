import type { Platform, Timer } from "../platform.ts";
import type { EtcdAddress } from "./etcd-endpoint.ts";
import { etcdAddress, membersAnswer } from "./etcd-membership.ts";
import type { EtcdMembers } from "./etcd-members.ts";

/** Until the first answer, then now and again: members come and go with servers. */
const FIRST_MS = 2_000;
const EVERY_MS = 30_000;

/** Keeps a client's list of members as the store's own: a server that was alone when it started finds those that joined it. */
export class EtcdFollower {
  readonly #platform: Platform;
  readonly #members: EtcdMembers;
  #timer: Timer;
  #closed = false;

  constructor(platform: Platform, members: EtcdMembers) {
    this.#platform = platform;
    this.#members = members;
    this.#timer = platform.clock.timer(FIRST_MS, () => void this.#look());
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
  }

  async #look(): Promise<void> {
    let answered = false;
    try {
      const { members } = await this.#members.read("/v3/cluster/member/list", {}, membersAnswer);
      answered = true;
      if (!this.#closed) this.#members.know(followed(this.#members.addresses, members));
    } catch (error) {
      this.#platform.log.debug("The cluster store does not say who its members are", { error: (error as Error).message });
    }
    if (!this.#closed) this.#timer = this.#platform.clock.timer(answered ? EVERY_MS : FIRST_MS, () => void this.#look());
  }
}

/**
 * Those that answer clients: a member that never started does not, nor does a learner, which stays known though, since it may be made a voter at
 * any time. The order of those that were known stays: nearest first.
 */
export function followed(known: readonly EtcdAddress[], members: readonly { readonly clientUrl: string; readonly isLearner: boolean }[]): EtcdAddress[] {
  const started = members.filter(({ clientUrl }) => clientUrl !== "").map(({ clientUrl, isLearner }) => ({ ...etcdAddress(clientUrl), isLearner }));
  const isIn = (list: readonly EtcdAddress[], one: EtcdAddress): boolean => list.some(({ address, port }) => address === one.address && port === one.port);
  return [...known.filter((one) => isIn(started, one)), ...started.filter((one) => !one.isLearner && !isIn(known, one)).map(({ address, port }) => ({ address, port }))];
}
