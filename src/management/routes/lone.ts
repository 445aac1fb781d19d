import type { ServerName } from "../../base/ids.ts";
import type { ServerRecord } from "../../cluster/schema.ts";
import type { Platform } from "../../platform/platform.ts";
import type { LoneAnswer } from "../api.ts";
import { loneBody } from "../bodies.ts";
import { Problem } from "../problem.ts";
import { route, type Route } from "../route.ts";
import { serversByName } from "./status.ts";

/** A server that is up answers within milliseconds. */
const ASK_WITHIN_MS = 1000;

/** What the word on lost servers needs besides the store, which is silent when it is given (R24). */
export interface LoneServer {
  readonly server: string;
  /** What the kernel says of a port: a refusal proves that nobody serves there. */
  askPort(address: string, port: number): Promise<"refused" | "open" | "unknown">;
  give(word: { readonly givenMs: number; readonly servers: ServerName[] }): Promise<void>;
}

/** Answered by the server that is asked, without a quorum: confirming that others are lost. */
export const loneRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/lone-survivor",
    access: "administrator",
    summary: "Says, on the only server that is left, that others are lost",
    body: loneBody,
    answer: "LoneAnswer",
    async handle({ context, body: { servers }, audit }): Promise<LoneAnswer> {
      const { platform, view, lone } = context;
      audit("servers confirmed as lost", { servers });
      if (!lone) throw new Problem("not-ready", "This server keeps no word on lost servers.");
      if (view.storeAnswers) throw new Problem("not-possible", "The cluster store answers, so no server need be confirmed as lost: groups go on by themselves where a copy is left.");
      const named = servers.map((name) => {
        const record = view.map.servers.get(name as ServerName);
        if (record === undefined) throw new Problem("not-found", `There is no server ${name}.`);
        if (name === lone.server) throw new Problem("not-possible", `${name} is the server that answers this; name the servers that are lost.`);
        return record;
      });
      for (const record of named) if (await answers(platform, record)) throw new Problem("not-possible", `${record.name} answers at ${record.address}, so it is not lost. Power it off first if it must not come back.`);
      await lone.give({ givenMs: platform.clock.nowMs(), servers: named.map(({ name }) => name) });
      const others = serversByName(view.map.servers.values()).filter(({ name }) => name !== lone.server && !servers.includes(name));
      return { server: lone.server, servers, others: others.map(({ name }) => name) };
    },
  }),
];

/** Whether anything takes connections where the server's API should be. */
async function answers({ network }: Platform, { address, apiPort }: ServerRecord): Promise<boolean> {
  try {
    await network.connect({ endpoint: { address, port: apiPort }, timeoutMs: ASK_WITHIN_MS }, (socket) => {
      queueMicrotask(() => socket.destroy());
      return { data() {}, drained() {}, closed() {} };
    });
    return true;
  } catch {
    return false;
  }
}
