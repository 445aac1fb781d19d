import { parseValue } from "../../cluster/schema.ts";
import { auditLogRecord } from "../../cluster/users.ts";
import type { AuditAnswer } from "../api/cluster.ts";
import { route, type Route } from "../route.ts";
import { readAudit } from "./accept-loss.ts";

export const auditRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/audit",
    access: "viewer",
    summary: "What was changed, by whom, newest first; with ?losses the data that was given up, which is kept apart",
    answer: "AuditAnswer",
    async handle({ context: { store }, query }): Promise<AuditAnswer> {
      if (query.has("losses")) return { records: (await readAudit(store)).toReversed().map((record) => ({ ...record, who: "", server: "", result: "done" })) };
      const { entries } = await store.range("audit-log/");
      return { records: entries.map(({ key, value }) => parseValue(auditLogRecord, key, value)).toReversed() };
    },
  }),
];
