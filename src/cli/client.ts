import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ProblemAnswer } from "../management/api.ts";
import { CliError } from "./error.ts";
import { readSession, type KeptSession } from "./session-file.ts";
import { authorityWithFingerprint } from "./trust.ts";

/** Which cluster: its servers' APIs, to be tried in this order, and the token. */
export interface ClusterAccess {
  readonly apis: readonly string[];
  /** "" before a login. */
  readonly token: string;
  /** How their certificates are proved: by an authority (PEM), or by the authority's fingerprint, which the server then must show. */
  readonly trust: { readonly authority: string } | { readonly fingerprint: string };
  /** Where the token is a session's. */
  readonly session?: KeptSession;
}

/** A server that is off answers nothing at all; one that is up answers its health at once. */
const PROBE_TIMEOUT_MS = 3_000;
/** Longer than the server takes to give up on the cluster store and to settle what it had asked. */
const REQUEST_TIMEOUT_MS = 20_000;

/**
 * `directory`: of a trial; without one, VIRTUSTOR_API, VIRTUSTOR_TOKEN and VIRTUSTOR_FINGERPRINT (or VIRTUSTOR_CA, a file) of `env`; without
 * those, the session that `virtustor login` has kept.
 */
export async function findCluster(directory: string | undefined, env: Readonly<Record<string, string | undefined>>): Promise<ClusterAccess> {
  if (directory !== undefined) return readTrial(directory);
  const apis = (env["VIRTUSTOR_API"] ?? "").split(/[\s,]+/).filter((text) => text !== "");
  if (apis.length === 0) {
    const session = readSession(env);
    if (session === null) throw new CliError("which cluster? Log in with virtustor login, give --dir DIRECTORY of a trial, or set VIRTUSTOR_API and VIRTUSTOR_TOKEN");
    return { apis: session.apis, token: session.token, trust: { authority: session.authority }, session };
  }
  const token = env["VIRTUSTOR_TOKEN"]?.trim() ?? "";
  if (token === "") throw new CliError("VIRTUSTOR_API is set, but VIRTUSTOR_TOKEN is not");
  return { apis: apis.map(baseUrl), token, trust: await trustOf(env) };
}

async function trustOf(env: Readonly<Record<string, string | undefined>>): Promise<ClusterAccess["trust"]> {
  const file = env["VIRTUSTOR_CA"]?.trim() ?? "";
  const fingerprint = env["VIRTUSTOR_FINGERPRINT"]?.trim() ?? "";
  if (file !== "") return { authority: await readAuthority(file) };
  if (fingerprint === "") throw new CliError("VIRTUSTOR_API is set, but neither VIRTUSTOR_FINGERPRINT (the cluster's, as every console shows it) nor VIRTUSTOR_CA (a file) says which cluster to trust");
  return { fingerprint };
}

async function readAuthority(file: string): Promise<string> {
  return await readFile(file, "utf8").catch((error: unknown) => {
    throw new CliError(`the cluster's certificate ${file} cannot be read: ${reasonOf(error)}`);
  });
}

export async function readTrial(directory: string): Promise<ClusterAccess> {
  const path = join(resolve(directory), "trial.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new CliError(missing ? `there is no trial in ${directory} (no ${path}): start one with virtustor trial up --dir ${directory}` : `${path} cannot be read: ${reasonOf(error)}`);
  }
  const trial = parseTrial(text);
  if (trial === null) throw new CliError(`${path} is not the description of a trial; virtustor trial up --dir ${directory} writes it anew`);
  return { apis: [...new Set(trial.apis.map(baseUrl))], token: trial.token, trust: { authority: await readAuthority(trial.caFile) } };
}

function parseTrial(text: string): { apis: string[]; token: string; caFile: string } | null {
  try {
    const { api, token, caFile, servers } = JSON.parse(text) as { api?: unknown; token?: unknown; caFile?: unknown; servers?: readonly { api?: unknown }[] };
    const apis = [api, ...(servers ?? []).map((server) => server.api)].filter((one): one is string => typeof one === "string");
    return typeof token === "string" && typeof caFile === "string" && apis.length > 0 ? { apis, token, caFile } : null;
  } catch {
    return null;
  }
}

/** "127.0.0.1:3261" and "https://127.0.0.1:3261/" alike. The token never travels unprotected. */
export function baseUrl(text: string): string {
  const url = /^https:\/\//.test(text) ? text : `https://${text}`;
  if (!URL.canParse(url)) throw new CliError(`the API's address ${text} is not understood: give ADDRESS:PORT or https://ADDRESS:PORT`);
  return new URL(url).origin;
}

/** Asks one server after another until one gives an answer. */
export class ApiClient {
  readonly #access: ClusterAccess;
  #known: string | null = null;

  constructor(access: ClusterAccess) {
    this.#access = access;
    // A proxy for the Internet cannot reach a storage network, not even this machine's loopback.
    process.env["NO_PROXY"] = "*";
  }

  /** Reads; an answer that is not `fresh` (by a server that is cut off from the cluster store) is used when no server has a better one. */
  async get<T>(path: string, fresh: (answer: T) => boolean = () => true): Promise<T> {
    return (await this.#ask<T>("GET", path, undefined, fresh)) as T;
  }

  async post<T>(path: string, body: object): Promise<T> {
    return (await this.#ask<T>("POST", path, body, () => true)) as T;
  }

  async delete<T>(path: string): Promise<T> {
    return (await this.#ask<T>("DELETE", path, undefined, () => true)) as T;
  }

  async #ask<T>(method: string, path: string, body: object | undefined, fresh: (answer: T) => boolean): Promise<T> {
    const failures: string[] = [];
    let doubtful = false;
    let stale: T | undefined;
    for (const api of this.#access.apis) {
      try {
        if (this.#access.apis.length > 1) await this.#probe(api);
      } catch (error) {
        failures.push(`${api}: ${reasonOf(error)}`);
        continue;
      }
      const result = await this.#askOne<T>(api, method, path, body);
      switch (result.kind) {
        case "answer":
          if (fresh(result.answer)) return result.answer;
          stale ??= result.answer;
          continue;
        case "refused":
          throw new CliError(doubtful ? `${result.reason.replace(/\.$/, "")} (an earlier try at another server had no clear outcome and may be the cause)` : result.reason);
        case "next":
          doubtful ||= result.doubtful && method !== "GET";
          failures.push(`${api}: ${result.reason}`);
      }
    }
    if (stale !== undefined) return stale;
    const doubt = doubtful ? "; the change may or may not have been made, so look before you try again" : "";
    throw new CliError(`${failures.length === 1 ? "" : "no server can do it now: "}${failures.join("; ")}${doubt}`);
  }

  async #authority(api: string): Promise<string> {
    const { trust } = this.#access;
    this.#known ??= "authority" in trust ? trust.authority : await authorityWithFingerprint(api, trust.fingerprint);
    return this.#known;
  }

  /** So that a server that is off is passed by quickly, and before anything was asked of it. */
  async #probe(api: string): Promise<void> {
    const tls = { ca: await this.#authority(api) };
    const response = await fetch(`${api}/api/v1/health`, { tls, signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    await response.body?.cancel();
  }

  async #askOne<T>(api: string, method: string, path: string, body: object | undefined): Promise<Result<T>> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${api}/api/v1${path}`, {
        method,
        tls: { ca: await this.#authority(api) },
        headers: { ...(this.#access.token === "" ? { "x-virtustor-token": "1" } : { authorization: `Bearer ${this.#access.token}` }), ...(body === undefined ? {} : { "content-type": "application/json" }) },
        body: body === undefined ? null : JSON.stringify(body),
        redirect: "error", // the token goes to no other place
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      text = await response.text();
    } catch (error) {
      return { kind: "next", reason: reasonOf(error), doubtful: !isRefusedConnection(error) };
    }
    const json = parseJson(text);
    if (response.status === 401 && (json as Partial<ProblemAnswer> | null)?.code !== "wrong-login") {
      return { kind: "refused", reason: this.#access.session === undefined ? `${api} does not accept the token: is it the one of this cluster?` : "the session has ended: log in again with virtustor login" };
    }
    if (response.ok && json !== null) return { kind: "answer", answer: json as T };
    const problem = json as Partial<ProblemAnswer> | null;
    const reason = typeof problem?.detail === "string" ? lowerFirst(problem.detail) : `${api} answered with HTTP status ${response.status}, which is not VirtuStor's API`;
    if (response.status === 503) return { kind: "next", reason, doubtful: problem?.code === "outcome-unknown" };
    return { kind: "refused", reason };
  }
}

type Result<T> =
  | { readonly kind: "answer"; readonly answer: T }
  /** Another server would say the same. */
  | { readonly kind: "refused"; readonly reason: string }
  /** Another server may do better. `doubtful`: this one may have made the change nevertheless. */
  | { readonly kind: "next"; readonly reason: string; readonly doubtful: boolean };

function parseJson(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

function isRefusedConnection(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ECONNREFUSED" || error.code === "ConnectionRefused");
}

export function reasonOf(error: unknown): string {
  if (isRefusedConnection(error)) return "nothing listens there";
  // Bun's own sentence for it gives advice to programmers.
  if (error instanceof Error && "code" in error && error.code === "ECONNRESET") return "the connection was closed without an answer; is this the API's port?";
  if (error instanceof Error && error.name === "TimeoutError") return "no answer in time";
  return error instanceof Error ? lowerFirst(error.message) : String(error);
}

/** The reason follows "virtustor: ", so it begins small unless it begins with a name in capitals. */
function lowerFirst(text: string): string {
  return /^[A-Z][a-z ]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
