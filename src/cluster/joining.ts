import * as v from "valibot";
import { serverName } from "./schema.ts";

/*
 * How servers join.
 *
 * key        | writer                                             | value
 * join-code  | management, the supervisor (for its console)       | JoinCode: the one that is valid now
 * joining    | management that lets a server in; that server      | Joining: who has been let in and is not through yet
 *
 *     code on a console of the cluster -> typed at the new server -> both prove it -> `joining` has a place for the new server
 *     -> it formats its drives, adds its member of the store as a learner, starts, is promoted -> it takes its place away
 */
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const joinCodeRecord = v.object({
  /** The code, sealed with a key of the cluster's. */
  sealed: v.string(),
  /** Of argon2id, hexadecimal. */
  salt: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  /** Wall clock. */
  expiresAtMs: v.number(),
  /** Taken before a proof is looked at, given back when it was right. */
  triesLeft: count,
});
export type JoinCodeRecord = v.InferOutput<typeof joinCodeRecord>;

export const joining = v.object({
  places: v.array(
    v.object({
      /** Of the server that joins, made before it asked: by it a join that was cut short goes on. */
      id: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
      name: serverName,
      address: v.pipe(v.string(), v.ipv4()),
      portalGroupTag: v.pipe(count, v.minValue(1), v.maxValue(65535)),
      atMs: v.number(),
    }),
  ),
});
export type Joining = v.InferOutput<typeof joining>;

export const joiningKeys = { code: "join-code", joining: "joining" } as const;
/** How long a code is valid: a walk to three machines, with a coffee. */
export const JOIN_CODE_VALID_MS = 60 * 60_000;
/** Wrong codes after which a new one must be made. */
export const JOIN_TRIES_MAX = 5;
/** A place that nobody has taken for so long is given away: that server was installed anew, or never came. */
export const JOIN_PLACE_MS = 24 * 60 * 60_000;
/** Leases and logs of servers whose clocks differ more cannot be compared by anybody. */
export const JOIN_CLOCK_SKEW_MAX_MS = 60_000;
