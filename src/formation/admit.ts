import * as v from "valibot";
import { VERSION } from "../base/version.ts";
import { JOIN_CLOCK_SKEW_MAX_MS, JOIN_PLACE_MS, joining, joiningKeys, type Joining } from "../cluster/joining.ts";
import { leavingKeys } from "../cluster/leaving.ts";
import { clusterRecord, keys, parseValue, serverName, serverRecord, type ClusterRecord, type ServerRecord } from "../cluster/schema.ts";
import { Problem } from "../management/problem.ts";
import { fingerprintOf } from "../platform/certificates.ts";
import type { Platform } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";
import { readCode, giveTryBack, takeTry, type CodeWorld } from "./join-code.ts";
import { joinWord, type Admission, type JoinHelloAnswer, type JoinHello, type JoinProveAnswer, type JoinProveBody, type JoinWord } from "../cluster/join-messages.ts";
import { isProof, keyOf, NONCE_BYTES, proofOf, type Proven } from "./proof.ts";

/** A joiner proves itself within seconds of its hello. */
const SESSION_MS = 60_000;
/** Three servers join at a time; whoever sends more hellos pushes his own older ones out. */
const SESSIONS_MAX = 16;
const SESSION_BYTES = 16;
const RESERVE_ROUNDS_MAX = 16;

/** What a server that joins is given. */
export interface Secrets {
  readonly clusterKey: Uint8Array;
  readonly token: string;
  readonly authority: Admission["authority"];
  /** Client addresses of the store's members now. */
  endpoints(): Promise<readonly string[]>;
}

interface Session {
  readonly joinerNonce: Uint8Array;
  readonly clusterNonce: Uint8Array;
  readonly salt: string;
  readonly untilMs: number;
}

/** Lets servers into the cluster: the cluster's end of a join, on whichever server was asked. */
export class Doorkeeper {
  readonly #platform: Platform;
  readonly #store: ClusterStore;
  readonly #code: CodeWorld;
  readonly #secrets: Secrets;
  readonly #fingerprint: string;
  /** Insertion order is age. */
  readonly #sessions = new Map<string, Session>();
  /** Of the code in use: argon2id is slow on purpose, and one code is proved several times. */
  #key: { readonly salt: string; readonly key: Promise<Uint8Array> } | null = null;

  constructor(platform: Platform, code: CodeWorld, secrets: Secrets) {
    this.#platform = platform;
    this.#store = code.store;
    this.#code = code;
    this.#secrets = secrets;
    this.#fingerprint = fingerprintOf(secrets.authority.certificate);
  }

  async hello({ nonce }: JoinHello): Promise<JoinHelloAnswer> {
    const known = await readCode(this.#code);
    if (known === null || known.record.triesLeft === 0) throw noCode(known !== null);
    const { random, clock } = this.#platform;
    const session = Buffer.from(random.bytes(SESSION_BYTES)).toString("hex");
    const clusterNonce = random.bytes(NONCE_BYTES);
    this.#sessions.set(session, { joinerNonce: Buffer.from(nonce, "hex"), clusterNonce, salt: known.record.salt, untilMs: clock.nowMs() + SESSION_MS });
    for (const oldest of [...this.#sessions.keys()].slice(0, -SESSIONS_MAX)) this.#sessions.delete(oldest);
    return { session, nonce: Buffer.from(clusterNonce).toString("hex"), salt: known.record.salt, version: VERSION };
  }

  async prove({ session, proof, word }: JoinProveBody): Promise<JoinProveAnswer> {
    const { crypto, clock } = this.#platform;
    const known = this.#sessions.get(session);
    // Once for each hello: a proof is not tried again against the same nonces.
    this.#sessions.delete(session);
    if (known === undefined || known.untilMs < clock.nowMs()) throw new Problem("not-possible", "This join has taken too long. Begin again.");
    const code = await readCode(this.#code);
    if (code === null || code.record.salt !== known.salt) throw noCode(false);
    const left = await takeTry(this.#code, known.salt);
    if (left === null) throw noCode(true);
    const key = await this.#keyOf(code.code, known.salt);
    const proven: Proven = { joinerNonce: known.joinerNonce, clusterNonce: known.clusterNonce, fingerprint: this.#fingerprint, word };
    if (!isProof(crypto, key, "joiner", proven, proof)) {
      this.#platform.log.warn("A server that wanted to join gave a wrong join code", { triesLeft: left });
      throw new Problem("wrong-code", `That is not this cluster's join code. ${left === 0 ? "It was the last try: make a new code on a console of the cluster." : `${left} ${left === 1 ? "try is" : "tries are"} left; read it again on a console of the cluster.`}`);
    }
    await giveTryBack(this.#code, known.salt);
    const joiner = readWord(word);
    const cluster = await this.#cluster();
    assertFits(joiner, clock.wallMs());
    const admission = joiner.commit ? await this.#admit(joiner, cluster) : null;
    if (!joiner.commit) await this.#place(joiner);
    return { proof: proofOf(crypto, key, "cluster", proven), clusterName: cluster.name, admission };
  }

  #keyOf(code: string, salt: string): Promise<Uint8Array> {
    if (this.#key?.salt !== salt) this.#key = { salt, key: keyOf(code, salt) };
    return this.#key.key;
  }

  async #cluster(): Promise<ClusterRecord> {
    const { found } = await this.#store.get(keys.cluster);
    if (found === null) throw new Problem("not-ready", "This cluster is still being formed. Wait a moment and try again.");
    return parseValue(clusterRecord, keys.cluster, found.value);
  }

  /** A place among those who join, kept in the store, and all secrets. The same joiner gets the same place again. */
  async #admit(joiner: JoinWord, cluster: ClusterRecord): Promise<Admission> {
    const portalGroupTag = await this.#reserve(joiner);
    this.#platform.log.info("A server joins the cluster", { server: joiner.name, address: joiner.address });
    return {
      clusterId: cluster.id,
      incarnation: cluster.incarnation,
      clusterKey: Buffer.from(this.#secrets.clusterKey).toString("base64"),
      token: this.#secrets.token,
      authority: this.#secrets.authority,
      endpoints: [...(await this.#secrets.endpoints())],
      portalGroupTag,
    };
  }

  async #reserve(joiner: JoinWord): Promise<number> {
    for (let round = 0; round < RESERVE_ROUNDS_MAX; round++) {
      const { others, revision, portalGroupTag } = await this.#place(joiner);
      const place = { id: joiner.id, name: v.parse(serverName, joiner.name), address: joiner.address, portalGroupTag, atMs: this.#platform.clock.wallMs() };
      const value: Joining = { places: [...others, place] };
      const { outcome } = await this.#store.transact({
        compares: [{ key: joiningKeys.joining, revision }],
        puts: [{ key: joiningKeys.joining, value: JSON.stringify(value) }],
        // A server of that name that was removed is a new one from now on.
        deletes: [leavingKeys.removedServer(joiner.name)],
      });
      if (outcome === "success") return portalGroupTag;
    }
    throw new Problem("busy", "The cluster store did not confirm the new server's place. Try again.");
  }

  /** Where this joiner would stand. Throws a `Problem` when its name or address is somebody else's. */
  async #place(joiner: JoinWord): Promise<{ others: Joining["places"]; revision: number; portalGroupTag: number }> {
    const { found } = await this.#store.get(joiningKeys.joining);
    const nowMs = this.#platform.clock.wallMs();
    const places = (found === null ? [] : parseValue(joining, joiningKeys.joining, found.value).places).filter(({ atMs }) => nowMs - atMs < JOIN_PLACE_MS);
    const others = places.filter(({ id }) => id !== joiner.id);
    const own = places.find(({ id }) => id === joiner.id);
    const servers = (await this.#store.range("server/")).entries.map(({ key, value }) => parseValue(serverRecord, key, value));
    assertUnlike(joiner, servers, others);
    const taken = [...servers, ...others].map((known) => known.portalGroupTag);
    return { others, revision: found?.revision ?? 0, portalGroupTag: own?.portalGroupTag ?? Math.max(0, ...taken) + 1 };
  }
}

function readWord(word: string): JoinWord {
  try {
    return v.parse(joinWord, JSON.parse(word));
  } catch {
    throw new Problem("bad-request", "What the server said of itself is not understood; is it of another version?");
  }
}

function assertFits(joiner: JoinWord, nowMs: number): void {
  if (joiner.version !== VERSION) {
    throw new Problem("not-possible", `The cluster runs VirtuStor ${VERSION}, this server ${joiner.version}. Install version ${VERSION} on it, then join again.`);
  }
  if (!v.is(serverName, joiner.name)) throw new Problem("bad-request", "A server's name has 1 to 63 small letters, digits and dashes, the first and last no dash.");
  const aheadMs = joiner.wallMs - nowMs;
  if (Math.abs(aheadMs) > JOIN_CLOCK_SKEW_MAX_MS) {
    throw new Problem("not-possible", `This server's clock is ${duration(Math.abs(aheadMs))} ${aheadMs > 0 ? "ahead of" : "behind"} the cluster's. Set its date and time, then join again.`);
  }
}

function assertUnlike(joiner: JoinWord, servers: readonly ServerRecord[], places: Joining["places"]): void {
  for (const { name, address } of servers) {
    if (name === joiner.name) throw new Problem("name-taken", `The cluster has a server ${name} already. Choose another name, or remove the lost ${name} from the cluster first.`);
    if (address === joiner.address) throw new Problem("not-possible", `The address ${address} is that of ${name}, which is in the cluster already. Give this server another address.`);
  }
  for (const { name, address } of places) {
    if (name === joiner.name) throw new Problem("name-taken", `Another server is joining as ${name} at this moment. Choose another name.`);
    if (address === joiner.address) throw new Problem("not-possible", `${name}, which is joining at this moment, has the address ${address}. Give this server another address.`);
  }
}

/** "2 minutes", "3 hours", "1 day". */
function duration(ms: number): string {
  const units = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1000]] as const;
  const [unit, size] = units.find(([, size]) => ms >= size) ?? ["second", 1000];
  const count = Math.round(ms / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

function noCode(usedUp: boolean): Problem {
  return new Problem("not-possible", `${usedUp ? "Too many wrong join codes were tried: the code is not valid any more" : "No join code is valid now"}. Make a new one on a console of the cluster, or with "virtustor cluster join-code".`);
}
