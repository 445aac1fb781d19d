import type { ProblemAnswer, ProblemCode } from "./api.ts";

/** An expected failure of a request. `message` is one sentence for an administrator. */
export class Problem extends Error {
  override name = "Problem";
  readonly code: ProblemCode;
  /** When asking again may help. */
  readonly retryAfterMs: number | null;
  constructor(code: ProblemCode, message: string, { retryAfterMs }: { readonly retryAfterMs?: number } = {}) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs ?? null;
  }
}

/** The one table from what went wrong to the HTTP status. */
const STATUS: Record<ProblemCode, { readonly status: number; readonly title: string }> = {
  "bad-request": { status: 400, title: "Not valid" },
  unauthorized: { status: 401, title: "Not authorized" },
  "wrong-login": { status: 401, title: "Wrong name or password" },
  forbidden: { status: 403, title: "Not allowed" },
  "cross-site": { status: 403, title: "From another site" },
  "not-found": { status: 404, title: "Not found" },
  "wrong-code": { status: 403, title: "Wrong join code" },
  "name-taken": { status: 409, title: "Name taken" },
  "iqn-taken": { status: 409, title: "Initiator name taken" },
  "lun-taken": { status: 409, title: "LUN taken" },
  "already-mapped": { status: 409, title: "Already mapped" },
  "in-use": { status: 409, title: "In use" },
  "no-free-lun": { status: 409, title: "No free LUN" },
  "too-few-servers": { status: 409, title: "Too few servers" },
  "not-possible": { status: 409, title: "Not possible now" },
  "limit-reached": { status: 409, title: "Limit reached" },
  "body-too-large": { status: 413, title: "Body too large" },
  "too-many-attempts": { status: 429, title: "Too many attempts" },
  "wrong-type": { status: 415, title: "Not JSON" },
  bug: { status: 500, title: "Internal error" },
  busy: { status: 503, title: "Busy" },
  "not-ready": { status: 503, title: "Not ready" },
  "store-unavailable": { status: 503, title: "Cluster store does not answer" },
  "portals-silent": { status: 503, title: "A portal has not confirmed" },
  "outcome-unknown": { status: 503, title: "Outcome unknown" },
};

export function problemResponse(code: ProblemCode, detail: string, retryAfterMs: number | null = null): Response {
  const { status, title } = STATUS[code];
  const body: ProblemAnswer = { type: "about:blank", title, status, detail, code };
  const headers: Record<string, string> = { "content-type": "application/problem+json", "cache-control": "no-store" };
  if (retryAfterMs !== null) headers["retry-after"] = String(Math.ceil(retryAfterMs / 1000));
  if (status === 401) headers["www-authenticate"] = "Bearer";
  return new Response(JSON.stringify(body), { status, headers });
}
