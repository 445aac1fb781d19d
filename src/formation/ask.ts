import * as v from "valibot";
import { VERSION } from "../base/version.ts";
import type { ProblemAnswer } from "../management/api.ts";
import { Problem } from "../management/problem.ts";
import type { Platform } from "../platform/platform.ts";
import { shownAuthority, type ShownAuthority } from "../platform/tls-peer.ts";
import { readJoinCode } from "./code.ts";
import { joinHelloAnswer, joinProveAnswer, type Admission, type JoinWord } from "../cluster/join-messages.ts";
import { isProof, keyOf, NONCE_BYTES, proofOf } from "./proof.ts";

const SHOWN_WITHIN_MS = 5_000;
/** argon2id on a busy server, and the store. */
const ANSWER_WITHIN_MS = 20_000;

/** A cluster that has proved that it knows the join code, and to which this server has proved the same. */
export interface ProvenCluster {
  readonly name: string;
  readonly fingerprint: string;
  /** null when only asked whether this server could join. */
  readonly admission: Admission | null;
}

export interface JoinQuestion {
  /** Of any server of the cluster; "ADDRESS" or "ADDRESS:PORT". */
  readonly address: string;
  readonly apiPort: number;
  /** As it was typed. */
  readonly code: string;
  /** What this server says of itself. */
  readonly joiner: Pick<JoinWord, "id" | "name" | "address" | "commit">;
  /** What somebody has confirmed; another cluster is refused. */
  readonly fingerprint?: string;
}

/** This server's end of a join (see proof.ts). Throws a `Problem` with a sentence for whoever stands at the console. */
export async function askCluster(platform: Pick<Platform, "crypto" | "random" | "clock">, question: JoinQuestion): Promise<ProvenCluster> {
  const code = readJoinCode(question.code);
  if (code === null) throw new Problem("bad-request", "A join code has eight letters and digits, such as K7QF-2M9X. Read it again on a console of the cluster.");
  const { host, port } = parseAddress(question.address, question.apiPort);
  const shown = await shownBy(host, port);
  if (question.fingerprint !== undefined && question.fingerprint !== shown.fingerprint) {
    throw new Problem("not-possible", `The cluster at ${host} has the fingerprint ${shown.fingerprint}, not ${question.fingerprint} as before. Something else answers there: look at the network.`);
  }
  const joinerNonce = platform.random.bytes(NONCE_BYTES);
  const ask = (path: string, body: object | null): Promise<unknown> => request(`https://${host}:${port}/api/v1/join/${path}`, shown.authority, body);
  const hello = parse(joinHelloAnswer, await ask(`hello?nonce=${hex(joinerNonce)}`, null));
  if (hello.version !== VERSION) {
    throw new Problem("not-possible", `The cluster runs VirtuStor ${hello.version}, this server ${VERSION}. Install version ${hello.version} on it, then join again.`);
  }
  const key = await keyOf(code, hello.salt);
  const said: JoinWord = { ...question.joiner, version: VERSION, wallMs: platform.clock.wallMs() };
  const proven = { joinerNonce, clusterNonce: Buffer.from(hello.nonce, "hex"), fingerprint: shown.fingerprint, word: JSON.stringify(said) };
  const answer = parse(joinProveAnswer, await ask("prove", { session: hello.session, proof: proofOf(platform.crypto, key, "joiner", proven), word: proven.word }));
  if (!isProof(platform.crypto, key, "cluster", proven, answer.proof)) {
    throw new Problem("not-possible", `What answers at ${host} does not know the join code: it is not the cluster whose console showed it. Nothing was taken from it.`);
  }
  return { name: answer.clusterName, fingerprint: shown.fingerprint, admission: answer.admission };
}

function parseAddress(text: string, apiPort: number): { host: string; port: number } {
  const [, host = "", port] = /^(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}))?$/.exec(text.trim()) ?? [];
  if (host === "" || !v.is(v.pipe(v.string(), v.ipv4()), host)) throw new Problem("bad-request", `"${text}" is not an address such as 192.168.1.11.`);
  return { host, port: port === undefined ? apiPort : Number(port) };
}

async function shownBy(host: string, port: number): Promise<ShownAuthority> {
  try {
    return await shownAuthority(host, port, SHOWN_WITHIN_MS);
  } catch (error) {
    throw new Problem("not-possible", `No VirtuStor server answers at ${host} port ${port} (${reasonOf(error)}). Check the address, the cable and that the server there is on.`);
  }
}

async function request(url: string, authority: string, body: object | null): Promise<unknown> {
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(url, {
      ...(body === null ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      redirect: "error",
      // Whose it is, the proofs tell; the address may be one that the certificate does not know.
      tls: { ca: authority, checkServerIdentity: () => undefined },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    answer = await response.json();
  } catch (error) {
    throw new Problem("not-possible", `The cluster's server does not answer as VirtuStor does (${reasonOf(error)}). Check the address, and try again.`);
  }
  if (response.ok) return answer;
  const problem = answer as Partial<ProblemAnswer> | null;
  if (response.status === 404 || response.status === 401) throw new Problem("not-possible", "The server there belongs to no cluster yet, or runs another version of VirtuStor. Join by the address of one that does.");
  throw new Problem(problem?.code ?? "not-possible", typeof problem?.detail === "string" ? problem.detail : `The cluster's server answered with HTTP status ${response.status}.`);
}

function parse<T>(schema: v.GenericSchema<unknown, T>, answer: unknown): T {
  const parsed = v.safeParse(schema, answer);
  if (parsed.success) return parsed.output;
  throw new Problem("not-possible", "The cluster's server answers in another way than this version expects. Install the same version of VirtuStor on both.");
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return error instanceof Error ? error.message : String(error);
}
