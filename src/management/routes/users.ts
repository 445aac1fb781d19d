import * as v from "valibot";
import { parseValue } from "../../cluster/schema.ts";
import { unfitPassword, USER_NAME, USER_NAME_RULE, userKeys, userRecord, userWith, type UserRecord } from "../../cluster/users.ts";
import type { UserAnswer, UsersAnswer } from "../api/users.ts";
import type { ApiContext } from "../app.ts";
import { commit, type Change } from "../commit.ts";
import { Problem } from "../problem.ts";
import { route, type Route } from "../route.ts";

/** A storage cluster has few administrators; each is kept in memory by every server. */
const USERS_MAX = 100;

const nameRule = `A user's name is ${USER_NAME_RULE}.`;
const role = v.picklist(["administrator", "viewer"], "The role is administrator or viewer.");
const password = v.string("A password is text.");
const createBody = v.strictObject({ name: v.pipe(v.string(nameRule), v.regex(USER_NAME, nameRule)), role, password });
const changeBody = v.strictObject({ role: v.optional(role), password: v.optional(password) });

export const userRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/users",
    access: "administrator",
    summary: "All users",
    answer: "UsersAnswer",
    handle: async ({ context }): Promise<UsersAnswer> => ({ users: (await readUsers(context)).map(({ user }) => userAnswer(user)) }),
  }),
  route({
    method: "POST",
    path: "/users",
    access: "administrator",
    summary: "Creates a user",
    body: createBody,
    answer: "UserAnswer",
    status: 201,
    async handle({ context, body, audit }): Promise<UserAnswer> {
      audit("user created", { user: body.name, role: body.role });
      const hash = await hashOf(context, body.name, body.password);
      return userAnswer(await commit(context.store, () => prepareCreate(context, body, hash)));
    },
  }),
  route({
    method: "POST",
    path: "/users/:name",
    access: "administrator",
    summary: "Changes a user's role or password, and ends the user's sessions",
    body: changeBody,
    answer: "UserAnswer",
    async handle({ context, params: { name = "" }, body, audit }): Promise<UserAnswer> {
      const changes = [...(body.role === undefined ? [] : ["role"]), ...(body.password === undefined ? [] : ["password"])];
      audit("user changed", { user: name, changed: changes, role: body.role });
      if (changes.length === 0) throw new Problem("bad-request", "Name a role or a password to change.");
      const hash = body.password === undefined ? null : await hashOf(context, name, body.password);
      return userAnswer(await commit(context.store, () => prepareChange(context, name, body.role ?? null, hash)));
    },
  }),
  route({
    method: "DELETE",
    path: "/users/:name",
    access: "administrator",
    summary: "Deletes a user, and ends the user's sessions",
    answer: "UserAnswer",
    async handle({ context, params: { name = "" }, audit }): Promise<UserAnswer> {
      audit("user deleted", { user: name });
      return userAnswer(await commit(context.store, () => prepareDelete(context, name)));
    },
  }),
];

interface Known {
  readonly user: UserRecord;
  readonly revision: number;
}

async function readUsers({ store }: ApiContext): Promise<Known[]> {
  const { entries } = await store.range(userKeys.user(""));
  return entries.map(({ key, value, revision }) => ({ user: parseValue(userRecord, key, value), revision }));
}

async function hashOf({ passwords }: ApiContext, name: string, given: string): Promise<string> {
  const unfit = unfitPassword(given, name);
  if (unfit !== null) throw new Problem("bad-request", unfit);
  return await passwords.hash(given);
}

async function prepareCreate(context: ApiContext, body: v.InferOutput<typeof createBody>, hash: string): Promise<Change<UserRecord>> {
  const users = await readUsers(context);
  if (users.some(({ user }) => user.name === body.name)) throw new Problem("name-taken", `There is a user ${body.name} already.`);
  if (users.length >= USERS_MAX) throw new Problem("limit-reached", `The cluster has ${USERS_MAX} users, the most it can have. Delete one first.`);
  const record = userWith(null, { name: body.name, role: body.role, hash, atMs: Math.floor(context.platform.clock.wallMs()) });
  // A session of an earlier user of this name must not fit: generations of two users of one name begin apart.
  const fresh = { ...record, generation: context.platform.random.id() };
  const put = { key: userKeys.user(body.name), value: JSON.stringify(fresh) };
  return { transaction: { compares: [{ key: put.key, revision: 0 }], puts: [put] }, proof: put, result: fresh, what: `create the user ${body.name}` };
}

async function prepareChange(context: ApiContext, name: string, wanted: UserRecord["role"] | null, hash: string | null): Promise<Change<UserRecord>> {
  const { before, revision, guards } = await find(context, name, wanted === "viewer" ? "become a viewer" : null);
  const record = userWith(before, { name, role: wanted ?? before.role, hash: hash ?? before.hash, atMs: Math.floor(context.platform.clock.wallMs()) });
  const put = { key: userKeys.user(name), value: JSON.stringify(record) };
  return { transaction: { compares: [{ key: put.key, revision }, ...guards], puts: [put] }, proof: put, result: record, what: `change the user ${name}` };
}

async function prepareDelete(context: ApiContext, name: string): Promise<Change<UserRecord>> {
  const { before, revision, guards } = await find(context, name, "be deleted");
  const key = userKeys.user(name);
  return { transaction: { compares: [{ key, revision }, ...guards], deletes: [key] }, proof: { key, value: null }, result: before, what: `delete the user ${name}` };
}

/** `loses`: how the user stops being an administrator. `guards`: another administrator, who must still be one when that is done. */
async function find(context: ApiContext, name: string, loses: string | null): Promise<{ before: UserRecord; revision: number; guards: { key: string; revision: number }[] }> {
  const users = await readUsers(context);
  const known = users.find(({ user }) => user.name === name);
  if (known === undefined) throw new Problem("not-found", `There is no user ${name.slice(0, 64)}.`);
  if (loses === null || known.user.role !== "administrator") return { before: known.user, revision: known.revision, guards: [] };
  const other = users.find(({ user }) => user.role === "administrator" && user.name !== name);
  if (other === undefined) throw new Problem("not-possible", `${name} is the last administrator and cannot ${loses}. Make another user an administrator first.`);
  return { before: known.user, revision: known.revision, guards: [{ key: userKeys.user(other.user.name), revision: other.revision }] };
}

function userAnswer({ name, role: is, changedAtMs }: UserRecord): UserAnswer {
  return { name, role: is, changedAtMs };
}
