import { existsSync, readFileSync } from "node:fs";
import { FIRST_USER, userKeys, userWith } from "../cluster/users.ts";
import { writeDurably } from "../formation/durable.ts";
import { putUnlessThere } from "../formation/put.ts";
import { realPasswords } from "../platform/passwords.ts";
import type { Platform } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";

/** 80 bits in letters that nobody confuses: a trial's web UI is as open as its ports. */
const PASSWORD_BYTES = 10;

/** The user "admin", for the web UI. Its first password lies in `file`; one that was changed since is in nobody's file. */
export async function ensureFirstUser({ clock, random }: Pick<Platform, "clock" | "random">, store: ClusterStore, file: string): Promise<void> {
  const key = userKeys.user(FIRST_USER);
  if (existsSync(file) && (await store.get(key)).found !== null) return;
  if (!existsSync(file)) writeDurably(file, `${Buffer.from(random.bytes(PASSWORD_BYTES)).toString("hex").match(/.{5}/g)?.join("-")}\n`);
  const hash = await realPasswords().hash(readFileSync(file, "utf8").trim());
  const user = userWith(null, { name: FIRST_USER, role: "administrator", hash, atMs: clock.wallMs() });
  await putUnlessThere({ store, clock }, [{ key, value: JSON.stringify(user) }]);
}
