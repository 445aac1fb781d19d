import { parseValue } from "../cluster/schema.ts";
import { FIRST_USER, unfitPassword, userKeys, userRecord, userWith } from "../cluster/users.ts";
import type { LocalStarted } from "../management/api/local.ts";
import { commit } from "../management/commit.ts";
import { Problem } from "../management/problem.ts";
import { realPasswords } from "../platform/passwords.ts";
import type { Appliance } from "./appliance.ts";

/** Whoever stands in front of a server may set the first user's password anew; that user's sessions end. */
export async function setPassword(appliance: Appliance, password: string): Promise<LocalStarted> {
  const { store } = appliance.configured();
  const { clock, log } = appliance.options.platform;
  const why = unfitPassword(password, FIRST_USER);
  if (why !== null) throw new Problem("bad-request", why);
  const hash = await realPasswords().hash(password);
  await commit(store, async () => {
    const key = userKeys.user(FIRST_USER);
    const { found } = await store.get(key);
    const before = found === null ? null : parseValue(userRecord, key, found.value);
    const value = JSON.stringify(userWith(before, { name: FIRST_USER, role: "administrator", hash, atMs: clock.wallMs() }));
    return { transaction: { compares: [{ key, revision: found?.revision ?? 0 }], puts: [{ key, value }] }, proof: { key, value }, result: null, what: "set the password" };
  });
  log.warn("The password of the user admin was set anew on this server's console");
  return { started: true };
}
