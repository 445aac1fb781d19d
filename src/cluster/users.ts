import * as v from "valibot";

/*
 * Keys of the store for people who administer the cluster.
 *
 * key                  | writer                      | value
 * user/<name>          | management; formation (the  | UserRecord
 *                      | first; the console resets)  |
 * session-ended/<id>   | management                  | EndedSession: a session that was logged out before its time
 * audit-log/<number>   | management                  | AuditLogRecord: the newest AUDIT_LOG_MAX changes, whoever made them
 * audit-log-newest     | management                  | the newest number
 */

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const userRecord = v.object({
  name: v.string(),
  role: v.picklist(["administrator", "viewer"]),
  /** argon2id, as PHC string. */
  hash: v.string(),
  /** Raised by every change of password or role: sessions of an earlier one have ended. No clock decides about it. */
  generation: count,
  changedAtMs: v.number(),
});
export type UserRecord = v.InferOutput<typeof userRecord>;

export const endedSession = v.object({ /** Afterwards the key is of no use. */ expiresAtMs: v.number() });
export type EndedSession = v.InferOutput<typeof endedSession>;

/** As many as an administrator looks through; at about 300 bytes each they are no burden for the store. */
export const AUDIT_LOG_MAX = 1000;
export const auditLogRecord = v.object({
  number: count,
  atMs: v.number(),
  /** User's name, "token", "console". */
  who: v.string(),
  /** The client's address, as its server saw it. */
  from: v.string(),
  server: v.string(),
  what: v.string(),
  /** "done", or a problem's code. */
  result: v.string(),
});
export type AuditLogRecord = v.InferOutput<typeof auditLogRecord>;

/** A user's name becomes part of a key. */
export const USER_NAME = /^[a-z][a-z0-9._-]{0,31}$/;
export const USER_NAME_RULE = "1 to 32 small letters, digits, dots, dashes and underscores, the first a letter";
/** The first user of a cluster; its password can be set anew by whoever stands in front of a server. */
export const FIRST_USER = "admin";
/** Long enough that nobody guesses it at the pace that is allowed; no rule on kinds of characters makes people choose well. */
export const PASSWORD_CHARACTERS_MIN = 10;
/** argon2id takes any length; a longer one is no password but an attack. */
export const PASSWORD_CHARACTERS_MAX = 256;
export const PASSWORD_RULE = `A password has ${PASSWORD_CHARACTERS_MIN} to ${PASSWORD_CHARACTERS_MAX} characters`;

/** Why it cannot be a password, a sentence; null when it can. */
export function unfitPassword(password: string, name: string): string | null {
  const characters = [...password].length;
  if (characters < PASSWORD_CHARACTERS_MIN || characters > PASSWORD_CHARACTERS_MAX) return `${PASSWORD_RULE}; this one has ${characters}.`;
  if (password.toLowerCase().includes(name.toLowerCase()) && characters <= name.length + PASSWORD_CHARACTERS_MIN / 2) return "The password is little more than the user's name. Choose another.";
  if (new Set(password).size < 4) return "The password repeats so few characters that it is easily guessed. Choose another.";
  return null;
}

export const userKeys = {
  user: (name: string) => `user/${name}`,
  endedSession: (id: string) => `session-ended/${id}`,
  auditLog: (number: number) => `audit-log/${String(number).padStart(12, "0")}`,
  auditLogNewest: "audit-log-newest",
} as const;

/** The record of a new user, or of one whose password or role is changed: give the one before, then. */
export function userWith(before: UserRecord | null, change: { readonly name: string; readonly role: UserRecord["role"]; readonly hash: string; readonly atMs: number }): UserRecord {
  const { name, role, hash, atMs } = change;
  return { name, role, hash, generation: (before?.generation ?? 0) + 1, changedAtMs: atMs };
}
