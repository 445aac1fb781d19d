import * as v from "valibot";
import { AUDIT_LOG_MAX, userKeys, type AuditLogRecord } from "../cluster/users.ts";
import type { ApiContext } from "./app.ts";
import { commit } from "./commit.ts";
import { readRecord } from "./records.ts";
import type { Caller } from "./route.ts";

/** "volume created", and what there is to say about it. */
export interface Audited {
  readonly what: string;
  readonly fields: Record<string, unknown>;
}

const number = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** What the log of all servers is told of one change; the rest of a long list is in the server's own log. */
const WHAT_CHARACTERS_MAX = 300;
/** The administrator does not wait longer for the log: the store has just fallen silent, then, and what follows is in doubt anyway. */
const WAIT_MS = 1000;
/** Results of requests that changed nothing for certain: a line in the server's own log is enough. */
const NOTHING_CHANGED: ReadonlySet<string> = new Set([
  "bad-request", "forbidden", "cross-site", "not-found", "name-taken", "iqn-taken", "lun-taken", "already-mapped", "in-use", "no-free-lun", "too-few-servers",
  "limit-reached", "not-possible", "body-too-large", "wrong-type", "busy", "not-ready", "store-unavailable", "wrong-login", "too-many-attempts", "unauthorized",
]);

/** Tells of each change that somebody made or tried: in this server's log, and, when something may have changed, in the cluster's. */
export async function audit(context: ApiContext, { name, from }: Pick<Caller, "name" | "from">, { what, fields }: Audited, result: string): Promise<void> {
  const { platform, view } = context;
  platform.log.info(`audit: ${what}`, { audit: true, from, who: name, result, ...fields });
  if (NOTHING_CHANGED.has(result) || !view.storeAnswers) return;
  const appended = append(context, { atMs: Math.floor(platform.clock.wallMs()), who: name, from, server: context.server, what: sentence(what, fields), result }).catch((error: unknown) => {
    // The change is made and is in this server's log: an answer that says otherwise would be worse than a gap here.
    platform.log.warn("a change is missing in the cluster's audit log", { what, error });
  });
  await Promise.race([appended, new Promise<void>((resolve) => void platform.clock.timer(WAIT_MS, resolve))]);
}

async function append({ store }: ApiContext, record: Omit<AuditLogRecord, "number">): Promise<void> {
  await commit(store, async () => {
    const newest = await readRecord(store, userKeys.auditLogNewest, number);
    const next = (newest.value ?? 0) + 1;
    const put = { key: userKeys.auditLog(next), value: JSON.stringify({ number: next, ...record } satisfies AuditLogRecord) };
    const deletes = next > AUDIT_LOG_MAX ? [userKeys.auditLog(next - AUDIT_LOG_MAX)] : [];
    const transaction = { compares: [{ key: userKeys.auditLogNewest, revision: newest.revision }], puts: [{ key: userKeys.auditLogNewest, value: JSON.stringify(next) }, put], deletes };
    return { transaction, proof: put, result: null, what: "write the audit log" };
  });
}

/** "volume created: volume db, sizeBytes 4096". */
function sentence(what: string, fields: Record<string, unknown>): string {
  const said = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0));
  const details = said.map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(" ") : String(value)}`).join(", ");
  return `${what}${details === "" ? "" : `: ${details}`}`.slice(0, WHAT_CHARACTERS_MAX);
}
