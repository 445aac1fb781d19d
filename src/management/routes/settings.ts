import { DEFAULT_SETTINGS, clusterSettings, keys, parseValue, type ClusterSettings } from "../../cluster/schema.ts";
import type { SettingsAnswer } from "../api/cluster.ts";
import { settingsBody } from "../bodies.ts";
import { commit } from "../commit.ts";
import { route, type Route } from "../route.ts";

export const settingsRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/settings",
    access: "viewer",
    summary: "The cluster's settings",
    answer: "SettingsAnswer",
    handle: ({ context }): SettingsAnswer => context.view.map.settings,
  }),
  route({
    method: "POST",
    path: "/settings",
    access: "administrator",
    summary: "Changes the settings that are named",
    body: settingsBody,
    answer: "SettingsAnswer",
    async handle({ context: { store }, body, audit }): Promise<SettingsAnswer> {
      audit("settings changed", { ...body });
      return await commit<ClusterSettings>(store, async () => {
        const { found } = await store.get(keys.settings);
        const before = found ? parseValue(clusterSettings, keys.settings, found.value) : DEFAULT_SETTINGS;
        const after: ClusterSettings = {
          loneSurvivor: body.loneSurvivor ?? before.loneSurvivor,
          strictReads: body.strictReads ?? before.strictReads,
          recreateDriveAfterMs: body.recreateDriveAfterMs ?? before.recreateDriveAfterMs,
          recreateServerAfterMs: body.recreateServerAfterMs ?? before.recreateServerAfterMs,
        };
        const value = JSON.stringify(after);
        return { transaction: { compares: [{ key: keys.settings, revision: found?.revision ?? 0 }], puts: [{ key: keys.settings, value }] }, proof: { key: keys.settings, value }, result: after, what: "change the cluster's settings" };
      });
    },
  }),
];
