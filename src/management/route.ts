import type * as v from "valibot";
import type { Role } from "./api/users.ts";
import type { ApiContext } from "./app.ts";

export const API_BASE = "/api/v1";

/**
 * Who may ask. `public`: anybody. `setup`: anybody while this server belongs to no cluster; nobody afterwards. `viewer`: viewers and
 * administrators; what changes something for others is never `viewer`.
 */
export type Access = "public" | "setup" | "viewer" | "administrator";

/** One row of the route table; the app, its authorization, the OpenAPI document and the tests are made from it. */
export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below /api/v1; parameters as ":name". */
  readonly path: `/${string}`;
  readonly access: Access;
  /** For the OpenAPI document: "Creates a volume". */
  readonly summary: string;
  /** What the request's JSON must be; null: there is none. */
  readonly body: v.GenericSchema | null;
  /** Name of the answer's type in api.ts and api/. */
  readonly answer: string;
  /** Of an answer that is no `Response`; 200 when not said. */
  readonly status?: 200 | 201 | 202;
  /** Its handler tells the audit log by itself. */
  readonly ownAudit?: boolean;
  handle(call: Call<never>): Answer | Promise<Answer>;
}
/** An object is sent as JSON. */
export type Answer = object | Response;

/** A request that was let in: its body fits the row's schema, its caller may do this. */
export interface Call<B> {
  readonly context: ApiContext;
  readonly request: Request;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: B;
  readonly caller: Caller;
  /** Whether the caller may still ask this; for answers that go on for long. */
  allowed(): boolean;
  /** Headers of the answer, for a cookie. */
  readonly headers: Headers;
  /** What an administrator did, for the audit log: "volume created"; null: only asked. Never give it a secret. The last one counts. */
  audit(what: string | null, fields?: Record<string, unknown>): void;
}

export interface Caller {
  /** User's name; "token" for whoever bears the cluster's token; "" on a public route. */
  readonly name: string;
  /** null on a public route. */
  readonly role: Role | null;
  /** Address. */
  readonly from: string;
  /** null: no session but the token, or nothing. */
  readonly session: { readonly id: string; readonly expiresAtMs: number } | null;
}

interface Row<S extends v.GenericSchema | null> extends Omit<Route, "body" | "handle"> {
  readonly body?: S;
  handle(call: Call<S extends v.GenericSchema ? v.InferOutput<S> : null>): Answer | Promise<Answer>;
}

/** Types a row: its handler is given what its schema makes of the body. */
export function route<S extends v.GenericSchema | null = null>(row: Row<S>): Route {
  return { ...row, body: row.body ?? null, handle: row.handle as Route["handle"] };
}
