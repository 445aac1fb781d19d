import * as v from "valibot";
import type { Platform } from "../platform.ts";
import type { EtcdAddress } from "./etcd-endpoint.ts";
import { EtcdMembers, EtcdRefusal } from "./etcd-members.ts";
import type { TlsIdentity } from "./tls-socket.ts";

/** A change of the membership waits for the leader, and it for a majority. */
const DEADLINE_MS = 10_000;

/** One member of the store, as the members know it. */
export interface StoreMember {
  readonly id: string;
  /** "" until it has started for the first time. */
  readonly name: string;
  readonly peerUrl: string;
  /** "" until it has started for the first time. */
  readonly clientUrl: string;
  /** It is being filled, does not vote and answers no clients. */
  readonly isLearner: boolean;
}

const member = v.pipe(
  v.object({
    ID: v.string(),
    name: v.optional(v.string(), ""),
    peerURLs: v.optional(v.array(v.string()), []),
    clientURLs: v.optional(v.array(v.string()), []),
    isLearner: v.optional(v.boolean(), false),
  }),
  v.transform(({ ID, name, peerURLs, clientURLs, isLearner }): StoreMember => ({ id: ID, name, peerUrl: peerURLs[0] ?? "", clientUrl: clientURLs[0] ?? "", isLearner })),
);
export const membersAnswer = v.object({ members: v.optional(v.array(member), []) });

/** Who is a member of etcd. Each change may be repeated: what has been done already is no error. */
export class EtcdMembership {
  readonly #members: EtcdMembers;

  constructor(platform: Platform, endpoints: readonly EtcdAddress[], tls: TlsIdentity) {
    this.#members = new EtcdMembers(platform, endpoints, tls, DEADLINE_MS);
  }

  /** Rejects with `StoreUnavailable`. */
  async list(): Promise<readonly StoreMember[]> {
    return (await this.#members.read("/v3/cluster/member/list", {}, membersAnswer)).members;
  }

  /**
   * Adds a member that counts for nothing until it is promoted, so that whatever becomes of it the others keep their majority. Returns all
   * members, or why not now: etcd fills one learner at a time. Rejects with `StoreUnavailable`.
   */
  async addLearner(peerUrl: string): Promise<readonly StoreMember[] | string> {
    const before = await this.list();
    if (before.some((known) => known.peerUrl === peerUrl)) return before;
    try {
      await this.#members.once("/v3/cluster/member/add", { peerURLs: [peerUrl], isLearner: true }, v.looseObject({}));
    } catch (error) {
      // Refused, or unknown: what the members say now decides.
      const after = await this.list();
      return after.some((known) => known.peerUrl === peerUrl) ? after : (error as Error).message;
    }
    return await this.list();
  }

  /** Makes a learner that has been filled a full member. Returns why not yet, or null when it is one. Rejects with `StoreUnavailable`. */
  async promote(peerUrl: string): Promise<string | null> {
    const found = (await this.list()).find((known) => known.peerUrl === peerUrl);
    if (found === undefined) return "the store does not know this member";
    if (!found.isLearner) return null;
    try {
      await this.#members.once("/v3/cluster/member/promote", { ID: found.id }, v.looseObject({}));
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** Takes a member out for good: it can never come back under its id. Returns why not, or null. Rejects with `StoreUnavailable`. */
  async remove(peerUrl: string): Promise<string | null> {
    const found = (await this.list()).find((known) => known.peerUrl === peerUrl);
    if (found === undefined) return null;
    try {
      await this.#members.once("/v3/cluster/member/remove", { ID: found.id }, v.looseObject({}));
      return null;
    } catch (error) {
      const left = await this.list();
      if (left.every((known) => known.peerUrl !== peerUrl)) return null;
      return error instanceof EtcdRefusal ? error.message : "the store did not confirm it";
    }
  }

  close(): void {
    this.#members.close();
  }
}

/** "https://ADDRESS:PORT", the form in which etcd itself wants its addresses. */
export function etcdAddress(endpoint: string): EtcdAddress {
  const url = URL.parse(endpoint);
  if (url === null || url.protocol !== "https:" || url.port === "") throw new Error(`the cluster store's address ${endpoint} is not like https://ADDRESS:PORT`);
  return { address: url.hostname, port: Number(url.port) };
}
