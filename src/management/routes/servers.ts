import type { DriveId, ServerName } from "../../base/ids.ts";
import { addDrive, addingKeys, freeDrives, type AddDrive } from "../../cluster/adding.ts";
import { serverIsUp } from "../../cluster/health.ts";
import type { ClusterMap } from "../../cluster/map.ts";
import { recoveryLeft, serverLeft } from "../../cluster/progress.ts";
import { keys, parseValue, serverRecord } from "../../cluster/schema.ts";
import type { DriveAddAnswer, FreeDrivesAnswer, RecoveryAnswer, ServerDetailAnswer, ServersAnswer } from "../api/servers.ts";
import type { ApiContext } from "../app.ts";
import { driveAddBody } from "../bodies.ts";
import { commit } from "../commit.ts";
import { Problem } from "../problem.ts";
import { readRecord } from "../records.ts";
import { route, type Route } from "../route.ts";
import { endpoint, serversByName } from "./status.ts";

/** A server takes a wish within milliseconds; formatting a drive takes longer. */
const ADDED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 100;

export const serverRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/servers",
    access: "viewer",
    summary: "All servers",
    answer: "ServersAnswer",
    handle: ({ context }): ServersAnswer => ({ servers: serversByName(context.view.map.servers.values()).map(({ name }) => serverDetail(context, context.view.map, name)) }),
  }),
  route({
    method: "GET",
    path: "/recovery",
    access: "viewer",
    summary: "Copies that are being made",
    answer: "RecoveryAnswer",
    handle({ context: { view } }): RecoveryAnswer {
      const { groups, bytes, copiedBytes } = recoveryLeft(view.map);
      return { groups, copiedBytes, remainingBytes: bytes, secondsLeft: groups === 0 ? 0 : view.seen.secondsLeft("recovery") };
    },
  }),
  route({
    method: "GET",
    path: "/servers/:name/free-drives",
    access: "administrator",
    summary: "What could become a drive of a server",
    answer: "FreeDrivesAnswer",
    async handle({ context: { store, view }, params: { name = "" } }): Promise<FreeDrivesAnswer> {
      if (!view.map.servers.has(name as ServerName)) throw noServer(name);
      const { value } = await readRecord(store, addingKeys.freeDrives(name), freeDrives);
      return { drives: value?.drives ?? [] };
    },
  }),
  route({
    method: "POST",
    path: "/servers/:name/drives",
    access: "administrator",
    summary: "Adds a drive to a running server; data moves to it",
    body: driveAddBody,
    answer: "DriveAddAnswer",
    status: 202,
    async handle({ context, params: { name = "" }, body, audit }): Promise<DriveAddAnswer> {
      const place = body.device ?? body.directory ?? "";
      audit("drive added", { server: name, place });
      if ((body.device === undefined) === (body.directory === undefined)) throw new Problem("bad-request", "Name a device, or a directory, and not both.");
      if (body.wipe !== undefined && body.wipe !== place) throw new Problem("not-possible", `To lose what is on it, wipe must be its name, ${place.slice(0, 128)}, once more. Nothing was changed.`);
      const id = Buffer.from(context.platform.random.bytes(8)).toString("hex") as DriveId;
      const wish: AddDrive = { place, atMs: Math.floor(context.platform.clock.wallMs()), wipe: body.wipe !== undefined, ...(body.capacityBytes !== undefined && { capacityBytes: body.capacityBytes }) };
      await commit(context.store, async () => {
        const { found } = await context.store.get(keys.server(name));
        if (found === null) throw noServer(name);
        parseValue(serverRecord, found.key, found.value);
        if (!serverIsUp(context.view.map, name as ServerName)) throw new Problem("not-possible", `${name} does not answer, so no drive can be added to it now.`);
        const put = { key: addingKeys.addDrive(name, id), value: JSON.stringify(wish) };
        return { transaction: { compares: [{ key: keys.server(name), revision: found.revision }, { key: put.key, revision: 0 }], puts: [put] }, proof: put, result: null, what: `add a drive to ${name}` };
      });
      await settled(context, name, id);
      return { id, server: name, device: place };
    },
  }),
];

/** Waits a while for the server's word. Throws when it could not add the drive; then the wish is taken back. */
async function settled({ store, platform: { clock } }: ApiContext, name: string, id: DriveId): Promise<void> {
  const key = addingKeys.addDrive(name, id);
  const untilMs = clock.nowMs() + ADDED_WITHIN_MS;
  while (clock.nowMs() < untilMs) {
    const { value, revision } = await readRecord(store, key, addDrive);
    if (value === null) return;
    if (value.failed !== undefined) {
      await store.transact({ compares: [{ key, revision }], deletes: [key] });
      throw new Problem("not-possible", `${name} cannot add this drive: ${value.failed}`);
    }
    await new Promise<void>((resolve) => void clock.timer(LOOK_EVERY_MS, resolve));
  }
}

export function serverDetail({ view }: ApiContext, map: ClusterMap, name: ServerName): ServerDetailAnswer {
  const record = map.servers.get(name);
  if (record === undefined) throw noServer(name);
  const drives = [...map.drives.values()].filter(({ server, id }) => server === name && !map.drivesRemoved.has(id));
  const { groups, bytes } = serverLeft(map, name);
  return {
    name,
    up: serverIsUp(map, name),
    address: record.address,
    portal: endpoint(record.address, record.portalPort),
    api: `https://${endpoint(record.address, record.apiPort)}`,
    drives: drives.map(({ id }) => id).sort(),
    capacityBytes: drives.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0),
    usedBytes: drives.reduce((sum, { id }) => sum + (map.observed.get(id)?.usedBytes ?? 0), 0),
    storeMember: record.storeMember ?? false,
    drain: map.serversDraining.has(name) ? { groupsLeft: groups, bytesLeft: bytes, secondsLeft: groups === 0 ? 0 : view.seen.secondsLeft(name) } : null,
  };
}

function noServer(name: string): Problem {
  return new Problem("not-found", `There is no server ${name.slice(0, 64)}. virtustor server list shows all.`);
}
