import type { AuditAnswer } from "../api/cluster.ts";
import { route, type Route } from "../route.ts";
import { readAudit } from "./accept-loss.ts";

export const auditRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/audit",
    access: "viewer",
    summary: "What was changed, by whom, newest first",
    answer: "AuditAnswer",
    async handle({ context }): Promise<AuditAnswer> {
      const records = await readAudit(context.store);
      return { records: records.toReversed().map((record) => ({ ...record, who: "token", server: "", result: "done" })) };
    },
  }),
];
