import type { DriveId, ServerName } from "../../base/ids.ts";
import { leavingKeys, type RemovedDrive } from "../../cluster/leaving.ts";
import { whyNotDrain, whyNotRemoveDrive, whyNotRemoveServer } from "../../cluster/leave-checks.ts";
import { ClusterMap } from "../../cluster/map.ts";
import { isDraining } from "../../cluster/progress.ts";
import { openRound } from "../../cluster/adoption.ts";
import { keys } from "../../cluster/schema.ts";
import type { Transaction } from "../../platform/store.ts";
import type { DriveDetailAnswer } from "../api.ts";
import type { RemoveAnswer, ServerDetailAnswer } from "../api/servers.ts";
import type { ApiContext } from "../app.ts";
import { removeBody } from "../bodies.ts";
import { commit } from "../commit.ts";
import { Problem } from "../problem.ts";
import { route, type Route } from "../route.ts";
import { driveDetails } from "./drives.ts";
import { serverDetail } from "./servers.ts";

/** Drives and servers leave: drained first, then removed. Decided by one fresh read of the store. */
export const leavingRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/drives/:id/drain",
    access: "administrator",
    summary: "Makes all copies of a drive elsewhere; refused when the rest cannot hold them",
    answer: "DriveDetailAnswer",
    status: 202,
    async handle({ context, params: { id = "" }, audit }): Promise<DriveDetailAnswer> {
      audit("drive drained", { drive: id });
      await commit(context.store, async () => {
        const map = await freshMap(context);
        const drive = knownDrive(map, id);
        const key = leavingKeys.drainDrive(drive);
        if (!map.drivesDraining.has(drive)) refuse(whyNotDrain(map, new Set([drive]), `Drive ${id} of ${map.drives.get(drive)?.server}`));
        const value = JSON.stringify({ atMs: Math.floor(context.platform.clock.wallMs()) });
        return { transaction: { compares: [{ key: keys.drive(drive), revision: await revisionOf(context, keys.drive(drive)) }], puts: [{ key, value }] }, proof: { key, value }, result: null, what: `drain the drive ${id}` };
      });
      return detailOf(context, id);
    },
  }),
  route({
    method: "DELETE",
    path: "/drives/:id/drain",
    access: "administrator",
    summary: "Takes the wish to drain a drive back; data moves to it again",
    answer: "DriveDetailAnswer",
    async handle({ context, params: { id = "" }, audit }): Promise<DriveDetailAnswer> {
      audit("drain of a drive cancelled", { drive: id });
      await commit(context.store, async () => {
        const map = await freshMap(context);
        const drive = knownDrive(map, id);
        const server = map.drives.get(drive)?.server as ServerName;
        if (!map.drivesDraining.has(drive)) throw new Problem("not-possible", map.serversDraining.has(server) ? `Drive ${id} is drained since its server ${server} is. Cancel the drain of the server.` : `Drive ${id} of ${server} is not being drained.`);
        return cancelled(context, leavingKeys.drainDrive(drive), `cancel the drain of the drive ${id}`);
      });
      return detailOf(context, id);
    },
  }),
  route({
    method: "POST",
    path: "/drives/:id/remove",
    access: "administrator",
    summary: "Takes a drive out of the cluster that was drained, or that is lost for good",
    body: removeBody,
    answer: "RemoveAnswer",
    async handle({ context, params: { id = "" }, body: { confirm, lost }, audit }): Promise<RemoveAnswer> {
      audit("drive removed", { drive: id, lost });
      confirmed(confirm, id, "the drive's id");
      await commit(context.store, async () => {
        const map = await freshMap(context);
        const drive = knownDrive(map, id);
        refuse(whyNotRemoveDrive(map, drive, lost));
        const { put, deletes } = removal(map, drive, context.platform.clock.wallMs());
        const compares = [{ key: keys.drive(drive), revision: await revisionOf(context, keys.drive(drive)) }];
        return { transaction: { compares, puts: [put], deletes }, proof: put, result: null, what: `remove the drive ${id}` };
      });
      return { removed: id };
    },
  }),
  route({
    method: "POST",
    path: "/servers/:name/drain",
    access: "administrator",
    summary: "Makes all copies of a server's drives on other servers; refused when they cannot hold them",
    answer: "ServerDetailAnswer",
    status: 202,
    async handle({ context, params: { name = "" }, audit }): Promise<ServerDetailAnswer> {
      audit("server drained", { server: name });
      await commit(context.store, async () => {
        const map = await freshMap(context);
        const server = knownServer(map, name);
        const drives = [...map.drives.values()].filter((drive) => drive.server === server).map(({ id }) => id);
        if (!map.serversDraining.has(server) && drives.length > 0) refuse(whyNotDrain(map, new Set(drives), name));
        const key = leavingKeys.drainServer(name);
        const value = JSON.stringify({ atMs: Math.floor(context.platform.clock.wallMs()) });
        return { transaction: { compares: [{ key, revision: await revisionOf(context, key) }], puts: [{ key, value }] }, proof: { key, value }, result: null, what: `drain the server ${name}` };
      });
      return serverDetail(context, await freshMap(context), knownServer(context.view.map, name));
    },
  }),
  route({
    method: "DELETE",
    path: "/servers/:name/drain",
    access: "administrator",
    summary: "Takes the wish to drain a server back; data moves to it again",
    answer: "ServerDetailAnswer",
    async handle({ context, params: { name = "" }, audit }): Promise<ServerDetailAnswer> {
      audit("drain of a server cancelled", { server: name });
      await commit(context.store, async () => {
        const map = await freshMap(context);
        if (!map.serversDraining.has(knownServer(map, name))) throw new Problem("not-possible", `${name} is not being drained.`);
        return cancelled(context, leavingKeys.drainServer(name), `cancel the drain of the server ${name}`);
      });
      return serverDetail(context, await freshMap(context), knownServer(context.view.map, name));
    },
  }),
  route({
    method: "POST",
    path: "/servers/:name/remove",
    access: "administrator",
    summary: "Takes a server out of the cluster that was drained, or that is lost for good",
    body: removeBody,
    answer: "RemoveAnswer",
    async handle({ context, params: { name = "" }, body: { confirm, lost }, audit }): Promise<RemoveAnswer> {
      audit("server removed", { server: name, lost });
      confirmed(confirm, name, "the server's name");
      if (context.lone?.server === name) throw new Problem("not-possible", `${name} is the server that answers this, and stops when it is removed. Ask another server.`);
      await commit(context.store, async () => {
        const map = await freshMap(context);
        const server = knownServer(map, name);
        refuse(whyNotRemoveServer(map, server, lost));
        const atMs = context.platform.clock.wallMs();
        const put = { key: leavingKeys.removedServer(name), value: JSON.stringify({ atMs: Math.floor(atMs) }) };
        const drives = [...map.drives.values()].filter((drive) => drive.server === server).map(({ id }) => removal(map, id, atMs));
        const transaction: Transaction = {
          compares: [{ key: keys.server(name), revision: await revisionOf(context, keys.server(name)) }],
          puts: [put, ...drives.map((drive) => drive.put)],
          deletes: [keys.server(name), keys.failed(name), leavingKeys.drainServer(name), ...drives.flatMap(({ deletes }) => deletes)],
        };
        return { transaction, proof: put, result: null, what: `remove the server ${name}` };
      });
      return { removed: name };
    },
  }),
];

/** The registration goes; its server, if it lives, stops the drive and says so. What lies on the drive stays there. */
function removal(map: ClusterMap, id: DriveId, atMs: number): { put: { key: string; value: string }; deletes: string[] } {
  const drive = map.drives.get(id);
  if (drive === undefined) throw new Problem("not-found", `There is no drive ${id}.`);
  const record: RemovedDrive = { server: drive.server, port: drive.port, atMs: Math.floor(atMs), stopped: false };
  return { put: { key: leavingKeys.removedDrive(id), value: JSON.stringify(record) }, deletes: [keys.drive(id), leavingKeys.drainDrive(id), keys.death(id), keys.release(id)] };
}

async function cancelled({ store }: ApiContext, key: string, what: string) {
  const { found } = await store.get(key);
  return { transaction: { compares: [{ key, revision: found?.revision ?? 0 }], deletes: [key] }, proof: { key, value: null }, result: null, what };
}

/** All of the store as it is at one moment; not while a restore asks the drives what they hold. */
async function freshMap({ store }: ApiContext): Promise<ClusterMap> {
  const map = new ClusterMap();
  const { entries, revision, storeId } = await store.range("");
  map.snapshot(entries, revision, storeId);
  if (map.cluster === null) throw new Problem("not-ready", "The cluster is not formed yet.");
  if (openRound(map.cluster) !== undefined) throw new Problem("not-ready", "The cluster store was restored from a backup and the drives are still being asked what they hold. Nothing can be drained or removed before that is over.");
  return map;
}

async function revisionOf({ store }: ApiContext, key: string): Promise<number> {
  return (await store.get(key)).found?.revision ?? 0;
}

function knownDrive(map: ClusterMap, id: string): DriveId {
  if (!map.drives.has(id as DriveId)) throw new Problem("not-found", `There is no drive ${id.slice(0, 64)}. virtustor drive list shows all.`);
  return id as DriveId;
}
function knownServer(map: ClusterMap, name: string): ServerName {
  if (!map.servers.has(name as ServerName)) throw new Problem("not-found", `There is no server ${name.slice(0, 64)}. virtustor server list shows all.`);
  return name as ServerName;
}
function confirmed(given: string, wanted: string, what: string): void {
  if (given !== wanted) throw new Problem("not-possible", `The confirmation must be ${what}, ${wanted.slice(0, 64)}, which is not ${given.slice(0, 64)}. Nothing was changed.`);
}
function refuse(why: string | null): void {
  if (why !== null) throw new Problem("not-possible", why);
}

async function detailOf(context: ApiContext, id: string): Promise<DriveDetailAnswer> {
  const map = await freshMap(context);
  const detail = driveDetails(map, context.view.seen).find((one) => one.id === id);
  if (detail === undefined) throw new Problem("not-found", `There is no drive ${id}.`);
  return { ...detail, drain: isDraining(map, id as DriveId) ? detail.drain : null };
}
