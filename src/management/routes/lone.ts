import type { ServerName } from "../../base/ids.ts";
import { DEFAULT_SETTINGS, clusterSettings, keys, parseValue, type ClusterSettings, type ServerRecord } from "../../cluster/schema.ts";
import type { Platform } from "../../platform/platform.ts";
import type { LoneAnswer } from "../api.ts";
import type { SettingsAnswer } from "../api/cluster.ts";
import type { ApiApp, ApiContext } from "../app.ts";
import { audit } from "../audit.ts";
import { loneBody, readBody, settingsBody } from "../bodies.ts";
import { commit } from "../commit.ts";
import { Problem } from "../problem.ts";
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

/** Answered by the server that is asked, without a quorum: confirming that others are lost. With one: how it is to be decided. */
export function addLoneRoutes(app: ApiApp, context: ApiContext): void {
  const { platform, store, view, lone } = context;

  app.post("/api/v1/lone-survivor", async (request) => {
    const { servers } = await readBody(request.req.raw, loneBody);
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
    audit(context, request.env.remote, "servers confirmed as lost", { servers });
    const others = serversByName(view.map.servers.values()).filter(({ name }) => name !== lone.server && !servers.includes(name));
    return request.json<LoneAnswer>({ server: lone.server, servers, others: others.map(({ name }) => name) });
  });

  app.get("/api/v1/settings", (request) => request.json<SettingsAnswer>(view.map.settings));
  app.post("/api/v1/settings", async (request) => {
    const body = await readBody(request.req.raw, settingsBody);
    const answer = await commit<ClusterSettings>(store, async () => {
      const { found } = await store.get(keys.settings);
      const before = found ? parseValue(clusterSettings, keys.settings, found.value) : DEFAULT_SETTINGS;
      const settings: ClusterSettings = {
        loneSurvivor: body.loneSurvivor ?? before.loneSurvivor,
        strictReads: body.strictReads ?? before.strictReads,
        recreateDriveAfterMs: body.recreateDriveAfterMs ?? before.recreateDriveAfterMs,
        recreateServerAfterMs: body.recreateServerAfterMs ?? before.recreateServerAfterMs,
      };
      const value = JSON.stringify(settings);
      return { transaction: { compares: [{ key: keys.settings, revision: found?.revision ?? 0 }], puts: [{ key: keys.settings, value }] }, proof: { key: keys.settings, value }, result: settings, what: "change the cluster's settings" };
    });
    audit(context, request.env.remote, "settings changed", { ...answer });
    return request.json<SettingsAnswer>(answer);
  });
}

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
