import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ProblemAnswer } from "../management/api.ts";

/** Which cluster: its servers' APIs, to be tried in this order, and the token. */
export interface ClusterAccess {
  readonly apis: readonly string[];
  readonly token: string;
}

/** A reason to show to the administrator in one line. */
export class CliError extends Error {
  override name = "CliError";
}

/** A server that is off answers nothing at all; one that is up answers its health at once. */
const PROBE_TIMEOUT_MS = 3_000;
/** Longer than the server takes to give up on the cluster store and to settle what it had asked. */
const REQUEST_TIMEOUT_MS = 20_000;

/** `directory`: of a trial; without one, VIRTUSTOR_API and VIRTUSTOR_TOKEN of `env`. */
export async function findCluster(directory: string | undefined, env: Readonly<Record<string, string | undefined>>): Promise<ClusterAccess> {
  if (directory !== undefined) return readTrial(directory);
  const apis = (env["VIRTUSTOR_API"] ?? "").split(/[\s,]+/).filter((text) => text !== "");
  if (apis.length === 0) throw new CliError("which cluster? Give --dir DIRECTORY of a trial, or set VIRTUSTOR_API and VIRTUSTOR_TOKEN");
  const token = env["VIRTUSTOR_TOKEN"]?.trim() ?? "";
  if (token === "") throw new CliError("VIRTUSTOR_API is set, but VIRTUSTOR_TOKEN is not");
  return { apis: apis.map(baseUrl), token };
}

async function readTrial(directory: string): Promise<ClusterAccess> {
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
  return { apis: [...new Set(trial.apis.map(baseUrl))], token: trial.token };
}

function parseTrial(text: string): { apis: string[]; token: string } | null {
  try {
    const { api, token, servers } = JSON.parse(text) as { api?: unknown; token?: unknown; servers?: readonly { api?: unknown }[] };
    const apis = [api, ...(servers ?? []).map((server) => server.api)].filter((one): one is string => typeof one === "string");
    return typeof token === "string" && apis.length > 0 ? { apis, token } : null;
  } catch {
    return null;
  }
}

/** "127.0.0.1:3261" and "http://127.0.0.1:3261/" alike. */
function baseUrl(text: string): string {
  const url = /^https?:\/\//.test(text) ? text : `http://${text}`;
  if (!URL.canParse(url)) throw new CliError(`the API's address ${text} is not understood: give ADDRESS:PORT or http://ADDRESS:PORT`);
  return new URL(url).origin;
}

/** Asks one server after another until one gives an answer. */
export class ApiClient {
  readonly #access: ClusterAccess;

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

  /** So that a server that is off is passed by quickly, and before anything was asked of it. */
  async #probe(api: string): Promise<void> {
    const response = await fetch(`${api}/api/v1/health`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    await response.body?.cancel();
  }

  async #askOne<T>(api: string, method: string, path: string, body: object | undefined): Promise<Result<T>> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${api}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${this.#access.token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        body: body === undefined ? null : JSON.stringify(body),
        redirect: "error", // the token goes to no other place
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      text = await response.text();
    } catch (error) {
      return { kind: "next", reason: reasonOf(error), doubtful: !isRefusedConnection(error) };
    }
    if (response.status === 401) return { kind: "refused", reason: `${api} does not accept the token: is it the one of this cluster?` };
    const json = parseJson(text);
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

function reasonOf(error: unknown): string {
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
