import type { ProblemAnswer, ProblemCode } from "../../management/api.ts";

/** The server answered, and said no. The message is the sentence for the administrator. */
export class ApiProblem extends Error {
  override name = "ApiProblem";
  readonly code: ProblemCode | "unknown";
  readonly status: number;
  constructor(code: ProblemCode | "unknown", status: number, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** No answer at all: the server is down, or the network between. */
export class NoAnswer extends Error {
  override name = "NoAnswer";
  constructor() {
    super(`${location.host} does not answer. It may be down, or the network between may be. What you asked for may or may not have been done.`);
  }
}

/** Whether this server answers, as the last request found it. */
export interface Reach {
  /** Milliseconds since 1970; null: it answers. */
  readonly silentSinceMs: number | null;
  readonly answeredAtMs: number;
}
let reach: Reach = { silentSinceMs: null, answeredAtMs: Date.now() };
const listeners = new Set<() => void>();

export function currentReach(): Reach {
  return reach;
}
export function onReach(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
function setReach(answers: boolean): void {
  const nowMs = Date.now();
  const was = reach.silentSinceMs;
  reach = answers ? { silentSinceMs: null, answeredAtMs: nowMs } : { ...reach, silentSinceMs: was ?? nowMs };
  if (was !== reach.silentSinceMs) for (const listener of listeners) listener();
}

/** A request that takes longer has failed: the API answers within seconds, or says that it cannot. */
const ANSWER_WITHIN_MS = 40_000;

/** Asks the API of the server that served the page. Throws an ApiProblem with its sentence, or NoAnswer. */
export async function call<T>(method: "GET" | "POST" | "DELETE", path: string, body?: unknown): Promise<T> {
  // The header is what another site's page cannot send (CSRF).
  const headers: Record<string, string> = { accept: "application/json", "x-virtustor": "1" };
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  let text: string;
  try {
    response = await fetch(`/api/v1${path}`, { method, headers, credentials: "same-origin", signal: AbortSignal.timeout(ANSWER_WITHIN_MS), ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    text = await response.text();
  } catch {
    setReach(false);
    throw new NoAnswer();
  }
  setReach(true);
  if (response.ok) return (text === "" ? {} : JSON.parse(text)) as T;
  const problem = parseProblem(text);
  throw new ApiProblem(problem?.code ?? "unknown", response.status, problem?.detail ?? `${location.host} answered ${response.status} to ${method} ${path} without saying why.`);
}

function parseProblem(text: string): ProblemAnswer | null {
  try {
    return JSON.parse(text) as ProblemAnswer;
  } catch {
    return null;
  }
}

/** The sentence of whatever went wrong. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
