import * as v from "valibot";
import { parseValue } from "../../cluster/schema.ts";
import { endedSession, PASSWORD_CHARACTERS_MAX, unfitPassword, USER_NAME, userKeys, userRecord, userWith, type UserRecord } from "../../cluster/users.ts";
import { StoreUnavailable } from "../../platform/store.ts";
import type { LoginTokenAnswer, LogoutAnswer, SessionAnswer } from "../api/users.ts";
import type { ApiContext } from "../app.ts";
import { audit } from "../audit.ts";
import { commit } from "../commit.ts";
import { Problem } from "../problem.ts";
import { readRecord } from "../records.ts";
import { route, type Route } from "../route.ts";
import { noCookie, sessionCookie } from "../sessions.ts";

/** Programs have no cookies: with this header the answer's body has the session's token. */
const TOKEN_HEADER = "x-virtustor-token";

const text = v.pipe(v.string("Name and password are texts."), v.maxLength(PASSWORD_CHARACTERS_MAX, `Name and password have at most ${PASSWORD_CHARACTERS_MAX} characters.`));

export const loginRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/login",
    access: "public",
    summary: "Begins a session, as a cookie or, with the header x-virtustor-token: 1, as a bearer token",
    body: v.strictObject({ name: text, password: text }),
    answer: "SessionAnswer",
    ownAudit: true,
    async handle({ context, body, caller, request, headers }): Promise<SessionAnswer | LoginTokenAnswer> {
      const user = await checkedUser(context, body, caller.from);
      const { session, token } = context.sessions.begin(user);
      await audit(context, { name: user.name, from: caller.from }, { what: "logged in", fields: { role: user.role } }, "done");
      const answer: SessionAnswer = { name: user.name, role: user.role, expiresAtMs: session.expiresAtMs };
      if (request.headers.get(TOKEN_HEADER) !== null) return { ...answer, token };
      headers.append("set-cookie", sessionCookie(token));
      return answer;
    },
  }),
  route({
    method: "POST",
    path: "/logout",
    access: "viewer",
    summary: "Ends the session, on every server",
    answer: "LogoutAnswer",
    async handle({ context, caller: { name, session }, headers, audit }): Promise<LogoutAnswer> {
      audit("logged out");
      if (session === null) throw new Problem("not-possible", "The cluster's token is no session: it does not end.");
      headers.append("set-cookie", noCookie());
      return { ended: await endSession(context, name, session) };
    },
  }),
  route({
    method: "GET",
    path: "/session",
    access: "viewer",
    summary: "Who asks",
    answer: "SessionAnswer",
    handle: ({ caller: { name, role, session } }): SessionAnswer => ({ name, role: role ?? "viewer", expiresAtMs: session?.expiresAtMs ?? null }),
  }),
  route({
    method: "POST",
    path: "/session/password",
    access: "viewer",
    summary: "Changes the own password; ends all other sessions of the user",
    body: v.strictObject({ old: text, new: v.string("A password is text.") }),
    answer: "SessionAnswer",
    async handle({ context, body, caller, headers, request, audit }): Promise<SessionAnswer | LoginTokenAnswer> {
      audit("own password changed");
      if (caller.session === null) throw new Problem("not-possible", "The cluster's token is no user: it has no password. Log in with a name.");
      await checkedUser(context, { name: caller.name, password: body.old }, caller.from);
      const user = await setPassword(context, caller.name, body.new);
      const { session, token } = context.sessions.begin(user);
      const answer: SessionAnswer = { name: user.name, role: user.role, expiresAtMs: session.expiresAtMs };
      if (request.headers.get("authorization") !== null) return { ...answer, token };
      headers.append("set-cookie", sessionCookie(token));
      return answer;
    },
  }),
];

/** More than a day's worth of people log out; past it the user's sessions all end at once, so that the store keeps no more. */
const ENDED_MAX = 1000;
/** The store takes 128 operations in a transaction. */
const FORGOTTEN_AT_ONCE_MAX = 100;

/** Whether every server hears of it: not while the store does not answer. What is over by itself is forgotten. */
async function endSession({ store, platform }: ApiContext, name: string, session: { readonly id: string; readonly expiresAtMs: number }): Promise<boolean> {
  try {
    const { entries } = await store.range(userKeys.endedSession(""));
    const over = entries.filter(({ key, value }) => parseValue(endedSession, key, value).expiresAtMs < platform.clock.wallMs()).map(({ key }) => key);
    if (entries.length - over.length < ENDED_MAX) {
      const put = { key: userKeys.endedSession(session.id), value: JSON.stringify({ expiresAtMs: session.expiresAtMs }) };
      return (await store.transact({ compares: [], puts: [put], deletes: over.slice(0, FORGOTTEN_AT_ONCE_MAX) })).outcome === "success";
    }
    const { value: user, revision } = await readRecord(store, userKeys.user(name), userRecord);
    if (user === null) return true;
    const put = { key: userKeys.user(name), value: JSON.stringify({ ...user, generation: user.generation + 1 }) };
    return (await store.transact({ compares: [{ key: put.key, revision }], puts: [put] })).outcome === "success";
  } catch (error) {
    if (error instanceof StoreUnavailable) return false;
    throw error;
  }
}

/** The user whose name and password these are; throws the same `Problem` whatever is wrong with them. */
async function checkedUser(context: ApiContext, { name, password }: { readonly name: string; readonly password: string }, from: string): Promise<UserRecord> {
  const { attempts, passwords, platform } = context;
  const waitMs = attempts.waitMs(name, from);
  if (waitMs > 0) throw new Problem("too-many-attempts", `Too many wrong names or passwords. The next one is looked at in ${Math.ceil(waitMs / 1000)} seconds.`, { retryAfterMs: waitMs });
  const locks = attempts.begun(name, from);
  const user = await findUser(context, name);
  if (await passwords.verify(password, user?.hash ?? null)) {
    attempts.succeeded(name, from);
    if (user !== null) return user;
  }
  platform.log.warn("a login was refused", { name: name.slice(0, 64), from, locks });
  // The attempts themselves go to this server's log alone, so that nobody can push everything else out of the cluster's.
  if (locks) await audit(context, { name: name.slice(0, 64), from }, { what: "locked out for a while after wrong passwords", fields: {} }, "done");
  throw new Problem("wrong-login", "Name or password is wrong.");
}

/** Fresh from the store; while it does not answer, as this server last knew. */
async function findUser({ store, view }: ApiContext, name: string): Promise<UserRecord | null> {
  if (!USER_NAME.test(name)) return null;
  try {
    const { found } = await store.get(userKeys.user(name));
    return found && parseValue(userRecord, userKeys.user(name), found.value);
  } catch (error) {
    if (error instanceof StoreUnavailable) return view.people.users.get(name) ?? null;
    throw error;
  }
}

export async function setPassword(context: ApiContext, name: string, password: string): Promise<UserRecord> {
  const unfit = unfitPassword(password, name);
  if (unfit !== null) throw new Problem("bad-request", unfit);
  const hash = await context.passwords.hash(password);
  const key = userKeys.user(name);
  return await commit(context.store, async () => {
    const { value: before, revision } = await readRecord(context.store, key, userRecord);
    if (before === null) throw new Problem("not-found", `There is no user ${name}.`);
    const record = userWith(before, { name, role: before.role, hash, atMs: Math.floor(context.platform.clock.wallMs()) });
    const put = { key, value: JSON.stringify(record) };
    return { transaction: { compares: [{ key, revision }], puts: [put] }, proof: put, result: record, what: `change the password of ${name}` };
  });
}
