import * as v from "valibot";
import type { UserRecord } from "../cluster/users.ts";
import type { Crypto, Platform } from "../platform/platform.ts";
import type { Role } from "./api/users.ts";

/** A working day: who comes back tomorrow logs in again. */
const SESSION_MS = 12 * 3600_000;
const ID_BYTES = 12;
/** A longer text is no session. */
const TOKEN_CHARACTERS_MAX = 1024;

export const COOKIE = "__Host-virtustor";

const payload = v.strictObject({
  id: v.string(),
  name: v.string(),
  role: v.picklist(["administrator", "viewer"]),
  /** The user's record's when it began. */
  generation: v.number(),
  expiresAtMs: v.number(),
});
export type Session = v.InferOutput<typeof payload>;

/**
 * Sessions are signed, not kept: any server with the cluster's key knows one, also without the cluster store. Their end before their
 * time is in the store (the user's generation, sessions logged out), and in every server's copy of it.
 */
export class Sessions {
  readonly #crypto: Crypto;
  readonly #platform: Platform;
  readonly #key: Uint8Array;

  /** `key`: derived from the cluster's for this alone. */
  constructor(platform: Platform, key: Uint8Array) {
    this.#platform = platform;
    this.#crypto = platform.crypto;
    this.#key = key;
  }

  begin({ name, role, generation }: UserRecord): { readonly session: Session; readonly token: string } {
    const id = Buffer.from(this.#platform.random.bytes(ID_BYTES)).toString("hex");
    const session: Session = { id, name, role, generation, expiresAtMs: Math.floor(this.#platform.clock.wallMs()) + SESSION_MS };
    const text = Buffer.from(JSON.stringify(session)).toString("base64url");
    return { session, token: `${text}.${this.#sign(text).toString("base64url")}` };
  }

  /** null: not signed by this cluster, or over. Whether it was ended before its time the caller looks up. */
  read(token: string): Session | null {
    if (token.length > TOKEN_CHARACTERS_MAX) return null;
    const [text = "", signature = "", more] = token.split(".");
    if (more !== undefined || !this.#crypto.equal(new Uint8Array(Buffer.from(signature, "base64url")), this.#sign(text))) return null;
    const parsed = v.safeParse(payload, JSON.parse(Buffer.from(text, "base64url").toString()));
    return parsed.success && parsed.output.expiresAtMs > this.#platform.clock.wallMs() ? parsed.output : null;
  }

  #sign(text: string): Buffer {
    return Buffer.from(this.#crypto.hmac(this.#key, [text]));
  }
}

/** RFC 6265 4.1; __Host- binds the cookie to this server, TLS and the whole site. */
export function sessionCookie(token: string): string {
  return `${COOKIE}=${token}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=${SESSION_MS / 1000}`;
}
export function noCookie(): string {
  return `${COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0`;
}
/** The session's cookie out of a Cookie header; null: none. */
export function cookieOf(header: string | null): string | null {
  for (const part of (header ?? "").split(";")) {
    const [name, value] = part.trim().split("=");
    if (name === COOKIE && value !== undefined && value !== "") return value;
  }
  return null;
}

/** Whom a session is of now; null: it was ended. `known` null: this server has not read the users yet, and believes the signature. */
export function roleNow(session: Session, known: { readonly users: ReadonlyMap<string, UserRecord>; readonly ended: ReadonlySet<string> } | null): Role | null {
  if (known === null) return session.role;
  const user = known.users.get(session.name);
  return user !== undefined && user.generation === session.generation && !known.ended.has(session.id) ? user.role : null;
}
