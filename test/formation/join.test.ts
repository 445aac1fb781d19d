import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as v from "valibot";
import { VERSION } from "../../src/base/version.ts";
import type { JoinProveAnswer, JoinWord } from "../../src/cluster/join-messages.ts";
import { joinCodeRecord, joiningKeys, JOIN_CODE_VALID_MS, JOIN_TRIES_MAX } from "../../src/cluster/joining.ts";
import { keys } from "../../src/cluster/schema.ts";
import { Doorkeeper } from "../../src/formation/admit.ts";
import { newJoinCode, readJoinCode, showJoinCode } from "../../src/formation/code.ts";
import { currentJoinCode, makeJoinCode, type CodeWorld } from "../../src/formation/join-code.ts";
import { isProof, keyOf, proofOf } from "../../src/formation/proof.ts";
import { fingerprintOf } from "../../src/platform/certificates.ts";
import { realClock } from "../../src/platform/clock.ts";
import { realCrypto } from "../../src/platform/crypto.ts";
import { realRandom } from "../../src/platform/random.ts";
import { realSealer } from "../../src/platform/seal.ts";
import { MemoryStore } from "../../src/platform/store/memory.ts";
import { authority } from "../certificates.ts";
import { fakePlatform } from "../management/api-fixture.ts";

// argon2id is slow on purpose, and the machine may be busy.
setDefaultTimeout(60_000);
const CLUSTER_KEY = new Uint8Array(32).fill(3);
const FINGERPRINT = fingerprintOf(authority.certificate);
const crypto = realCrypto();
let code: CodeWorld;
let wallMs: number;
let doorkeeper: Doorkeeper;

beforeEach(async () => {
  wallMs = 1_800_000_000_000;
  const clock = { ...realClock(), wallMs: () => wallMs };
  const platform = fakePlatform([], clock);
  const store = new MemoryStore({ clock }).client();
  code = { store, clock: platform.clock, random: platform.random, sealer: realSealer(CLUSTER_KEY) };
  const record = { id: "c".repeat(32), name: "demo", incarnation: 1, targetName: "iqn.2026-11.io.virtustor:x", formedAtMs: 1 };
  const server = { name: "server-1", address: "10.0.0.1", portalPort: 3260, apiPort: 443, portalGroupTag: 1 };
  await store.transact({ compares: [], puts: [{ key: keys.cluster, value: JSON.stringify(record) }, { key: keys.server("server-1"), value: JSON.stringify(server) }] });
  doorkeeper = new Doorkeeper(platform, code, { clusterKey: CLUSTER_KEY, token: "t".repeat(48), authority, endpoints: () => Promise.resolve(["https://10.0.0.1:2379"]) });
});

interface Said extends Partial<JoinWord> {
  readonly code: string;
  /** As the joiner saw it: another one when somebody stands between. */
  readonly fingerprint?: string;
}

async function join({ code: typed, fingerprint = FINGERPRINT, ...more }: Said): Promise<JoinProveAnswer & { proven: boolean }> {
  const joinerNonce = new Uint8Array(32).fill(9);
  const hello = await doorkeeper.hello({ nonce: Buffer.from(joinerNonce).toString("hex") });
  const word = JSON.stringify({ id: "a".repeat(32), name: "server-2", address: "10.0.0.2", version: VERSION, wallMs, commit: true, ...more } satisfies JoinWord);
  const key = await keyOf(readJoinCode(typed) ?? "", hello.salt);
  const proven = { joinerNonce, clusterNonce: Buffer.from(hello.nonce, "hex"), fingerprint, word };
  const answer = await doorkeeper.prove({ session: hello.session, proof: proofOf(crypto, key, "joiner", proven), word });
  return { ...answer, proven: isProof(crypto, key, "cluster", proven, answer.proof) };
}

async function triesLeft(): Promise<number> {
  const { found } = await code.store.get(joiningKeys.code);
  return v.parse(joinCodeRecord, JSON.parse(found?.value ?? "null")).triesLeft;
}

describe("a join code", () => {
  test("has eight characters that nobody misreads, and is understood as people type it", () => {
    const shown = showJoinCode(newJoinCode(realRandom()));
    expect(shown).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/);
    expect(readJoinCode(" k7qf 2m9x")).toBe("K7QF2M9X");
    expect(readJoinCode("ioLO-0000")).toBe("10100000");
    for (const text of ["", "K7QF-2M9", "K7QF-2M9XX", "K7QF-2M9U", "K7QF-2M9!"]) expect(readJoinCode(text)).toBeNull();
  });

  test("is one at a time, sealed in the store, and valid for an hour", async () => {
    const first = await makeJoinCode(code);
    const second = await makeJoinCode(code);
    expect(await currentJoinCode(code)).toEqual(second);
    expect((await code.store.get(joiningKeys.code)).found?.value).not.toContain(second.code.slice(0, 4));
    await expect(join({ code: first.code })).rejects.toThrow("not this cluster's join code");
    wallMs += JOIN_CODE_VALID_MS;
    expect(await currentJoinCode(code)).toBeNull();
    await expect(join({ code: second.code })).rejects.toThrow("No join code is valid now");
  });
});

describe("a server that joins", () => {
  test("is proved the code by the cluster, and given a place and the cluster's secrets", async () => {
    const { code: shown } = await makeJoinCode(code);
    const { admission, ...answer } = await join({ code: shown });
    expect(answer).toMatchObject({ proven: true, clusterName: "demo" });
    expect(admission).toMatchObject({ clusterId: "c".repeat(32), portalGroupTag: 2, endpoints: ["https://10.0.0.1:2379"], authority });
    expect(Buffer.from(admission!.clusterKey, "base64")).toEqual(Buffer.from(CLUSTER_KEY));
  });

  test("is given nothing, and no place, when it only asks", async () => {
    const { code: shown } = await makeJoinCode(code);
    expect(await join({ code: shown, commit: false })).toMatchObject({ proven: true, admission: null });
    expect((await code.store.get(joiningKeys.joining)).found).toBeNull();
  });

  test("gets the same place again after it was cut short; another one gets the next", async () => {
    const { code: shown } = await makeJoinCode(code);
    for (let again = 0; again < 2; again++) expect((await join({ code: shown })).admission?.portalGroupTag).toBe(2);
    expect((await join({ code: shown, id: "b".repeat(32), name: "server-3", address: "10.0.0.3" })).admission?.portalGroupTag).toBe(3);
  });

  test("with a wrong code is refused, and after five of them the right one is, too", async () => {
    const { code: shown } = await makeJoinCode(code);
    const wrong = shown.startsWith("A") ? "BBBB-BBBB" : "AAAA-AAAA";
    for (let left = JOIN_TRIES_MAX - 1; left >= 0; left--) await expect(join({ code: wrong })).rejects.toThrow(left === 0 ? "the last try" : `${left} ${left === 1 ? "try is" : "tries are"} left`);
    await expect(join({ code: shown })).rejects.toThrow("Too many wrong join codes");
    expect((await code.store.get(joiningKeys.joining)).found).toBeNull();
  });

  test("tries that are made at the same time are counted one by one; right ones cost nothing", async () => {
    const { code: shown } = await makeJoinCode(code);
    const wrong = shown.startsWith("A") ? "BBBB-BBBB" : "AAAA-AAAA";
    const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => join({ code: wrong })));
    expect(outcomes.filter(({ status, ...rest }) => status === "rejected" && String((rest as { reason?: unknown }).reason).includes("not this cluster's")).length).toBe(JOIN_TRIES_MAX);
    await makeJoinCode(code);
    const { code: fresh } = (await currentJoinCode(code))!;
    for (let times = 0; times < JOIN_TRIES_MAX + 2; times++) await join({ code: fresh, commit: false });
    expect(await triesLeft()).toBe(JOIN_TRIES_MAX);
  });

  test("that saw another certificate than the cluster's is refused: somebody stands between them", async () => {
    const { code: shown } = await makeJoinCode(code);
    await expect(join({ code: shown, fingerprint: "0".repeat(39) })).rejects.toThrow("not this cluster's join code");
  });

  test("cannot use a proof twice, nor another's nonces", async () => {
    const { code: shown } = await makeJoinCode(code);
    const joinerNonce = new Uint8Array(32).fill(9);
    const hello = await doorkeeper.hello({ nonce: Buffer.from(joinerNonce).toString("hex") });
    const word = JSON.stringify({ id: "a".repeat(32), name: "server-2", address: "10.0.0.2", version: VERSION, wallMs, commit: false });
    const key = await keyOf(readJoinCode(shown)!, hello.salt);
    const proof = proofOf(crypto, key, "joiner", { joinerNonce, clusterNonce: Buffer.from(hello.nonce, "hex"), fingerprint: FINGERPRINT, word });
    await doorkeeper.prove({ session: hello.session, proof, word });
    await expect(doorkeeper.prove({ session: hello.session, proof, word })).rejects.toThrow("Begin again");
    const other = await doorkeeper.hello({ nonce: "00".repeat(32) });
    await expect(doorkeeper.prove({ session: other.session, proof, word })).rejects.toThrow("not this cluster's join code");
    // What it says of itself is part of the proof.
    const third = await doorkeeper.hello({ nonce: Buffer.from(joinerNonce).toString("hex") });
    const own = proofOf(crypto, key, "joiner", { joinerNonce, clusterNonce: Buffer.from(third.nonce, "hex"), fingerprint: FINGERPRINT, word });
    await expect(doorkeeper.prove({ session: third.session, proof: own, word: word.replace("server-2", "server-9") })).rejects.toThrow("not this cluster's join code");
  });

  const refused: [string, Partial<JoinWord>, string][] = [
    ["another version", { version: "9.9.9" }, `The cluster runs VirtuStor ${VERSION}, this server 9.9.9. Install version ${VERSION}`],
    ["a name that is taken", { name: "server-1" }, "has a server server-1 already"],
    ["an address that is taken", { address: "10.0.0.1" }, "is that of server-1"],
    ["a name that is none", { name: "Server_2" }, "small letters, digits and dashes"],
    ["a clock that is late", { wallMs: 1_800_000_000_000 - 86_400_000 * 3 }, "clock is 3 days behind the cluster's. Set its date and time"],
    ["a clock that is early", { wallMs: 1_800_000_000_000 + 61_000 }, "clock is 1 minute ahead of the cluster's"],
  ];
  test.each(refused)("with %s is told so, loses no try, and has no place", async (_, said, reason) => {
    const { code: shown } = await makeJoinCode(code);
    for (const commit of [false, true]) await expect(join({ code: shown, ...said, commit })).rejects.toThrow(reason);
    expect(await triesLeft()).toBe(JOIN_TRIES_MAX);
    expect((await code.store.get(joiningKeys.joining)).found).toBeNull();
  });

  test("does not get the name or address of one that is joining at the moment", async () => {
    const { code: shown } = await makeJoinCode(code);
    await join({ code: shown });
    await expect(join({ code: shown, id: "b".repeat(32), address: "10.0.0.3" })).rejects.toThrow("Another server is joining as server-2");
    await expect(join({ code: shown, id: "b".repeat(32), name: "server-3" })).rejects.toThrow("server-2, which is joining at this moment, has the address 10.0.0.2");
  });
});
