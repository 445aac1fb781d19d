import type * as v from "valibot";
import { fencePut, openFences } from "../../cluster/fence.ts";
import type { ClusterMap } from "../../cluster/map.ts";
import { keys, type MappingRecord } from "../../cluster/schema.ts";
import type { MappingAnswer, MappingCreateAnswer, MappingsAnswer } from "../api.ts";
import type { ApiContext } from "../app.ts";
import { LUN_MAX, mappingCreateBody } from "../bodies.ts";
import { commit, type Change } from "../commit.ts";
import { allPortals, fenceId } from "../portals.ts";
import { Problem } from "../problem.ts";
import { findHost, findVolume, readMappings, readWanted } from "../records.ts";
import { route, type Route } from "../route.ts";
import { endpoint, serversByName } from "./status.ts";

type CreateBody = v.InferOutput<typeof mappingCreateBody>;
interface Created extends MappingAnswer {
  readonly chapUser: string | null;
}

export const mappingRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/mappings",
    access: "viewer",
    summary: "Which volume is which host's which LUN",
    answer: "MappingsAnswer",
    async handle({ context: { store, view } }): Promise<MappingsAnswer> {
      const { map, source } = await readWanted(store, view.map);
      const mappings = [...map.mappings.values()].map((mapping) => ({
        volume: map.volumes.get(mapping.volume)?.name ?? String(mapping.volume),
        host: mapping.host,
        lun: mapping.lun,
      }));
      mappings.sort((a, b) => (a.host === b.host ? a.lun - b.lun : a.host < b.host ? -1 : 1));
      return { mappings, source };
    },
  }),
  route({
    method: "POST",
    path: "/mappings",
    access: "administrator",
    summary: "Shows a volume to a host as a LUN",
    body: mappingCreateBody,
    answer: "MappingCreateAnswer",
    status: 201,
    async handle({ context, body, audit }): Promise<MappingCreateAnswer> {
      audit("volume mapped", { ...body });
      const { view, store } = context;
      const target = view.map.cluster?.targetName;
      if (!view.ready || target === undefined) throw new Problem("not-ready", "This server has not read the cluster's state yet. Try again or ask another server.");
      const created = await commit(store, () => prepareCreate(context, body));
      const { volume, host, lun } = created;
      audit("volume mapped", { volume, host, lun });
      return { ...created, urls: portalUrls(view.map, target, lun) };
    },
  }),
  route({
    method: "DELETE",
    path: "/mappings/:volume/:host",
    access: "administrator",
    summary: "Takes a volume away from a host",
    answer: "MappingAnswer",
    async handle({ context, params: { volume = "", host = "" }, audit }): Promise<MappingAnswer> {
      audit("volume unmapped", { volume, host });
      const id = fenceId(context);
      const { fence, ...deleted } = await commit(context.store, () => prepareDelete(context, volume, host, id));
      await allPortals(context, fence, `The volume ${volume} is unmapped from the host ${host}`);
      audit("volume unmapped", { ...deleted });
      return deleted;
    },
  }),
];

/**
 * The volume's and the host's record are written again, unchanged: their new revisions refuse whatever was decided without this
 * mapping, be it a deletion or a second mapping of the same volume or LUN.
 */
async function prepareCreate({ store }: ApiContext, body: CreateBody): Promise<Change<Created>> {
  const [{ volume, revision: volumeRevision }, { host, revision: hostRevision }] = await Promise.all([
    findVolume(store, body.volume),
    findHost(store, body.host),
  ]);
  // After the records, not beside them: a mapping that this read misses has changed a revision that it compares.
  const present = (await readMappings(store)).filter((mapping) => mapping.host === host.name);
  const same = present.find((mapping) => mapping.volume === volume.id);
  if (same !== undefined) throw new Problem("already-mapped", `The volume ${volume.name} is mapped to the host ${host.name} already, as LUN ${same.lun}.`);
  const lun = chooseLun(host.name, new Set(present.map((mapping) => mapping.lun)), body.lun);
  const record: MappingRecord = { volume: volume.id, host: host.name, lun, readOnly: false };
  const value = JSON.stringify(record);
  return {
    transaction: {
      compares: [
        { key: keys.volume(volume.id), revision: volumeRevision },
        { key: keys.host(host.name), revision: hostRevision },
        { key: keys.mapping(host.name, lun), revision: 0 },
      ],
      puts: [
        { key: keys.mapping(host.name, lun), value },
        { key: keys.volume(volume.id), value: JSON.stringify(volume) },
        { key: keys.host(host.name), value: JSON.stringify(host) },
      ],
    },
    proof: { key: keys.mapping(host.name, lun), value },
    result: { volume: volume.name, host: host.name, lun, chapUser: host.chap?.user ?? null },
    what: `map the volume ${volume.name} to the host ${host.name}`,
  };
}

function chooseLun(host: string, taken: ReadonlySet<number>, wanted: number | undefined): number {
  if (wanted !== undefined) {
    if (taken.has(wanted)) throw new Problem("lun-taken", `The host ${host} has another volume as LUN ${wanted}.`);
    return wanted;
  }
  for (let lun = 0; lun <= LUN_MAX; lun++) if (!taken.has(lun)) return lun;
  throw new Problem("no-free-lun", `The host ${host} has ${LUN_MAX + 1} volumes, the most it can have. Unmap one first.`);
}

/** `fence`: what to wait for (R26). After an unmapping that was not confirmed by all, the one that is still open. */
async function prepareDelete({ store, platform }: ApiContext, volumeName: string, hostName: string, id: number): Promise<Change<MappingAnswer & { fence: number }>> {
  const [{ volume }, { host }] = await Promise.all([findVolume(store, volumeName), findHost(store, hostName)]);
  const mapping = (await readMappings(store)).find((candidate) => candidate.volume === volume.id && candidate.host === host.name);
  const what = `unmap ${volume.id} ${host.name}`;
  if (mapping === undefined) {
    const open = (await openFences(store)).find(({ fence }) => fence.what.startsWith(`${what} `));
    if (!open) throw new Problem("not-found", `The volume ${volume.name} is not mapped to the host ${host.name}.`);
    const lun = Number(open.fence.what.slice(what.length + 1));
    const proof = { key: keys.fence(open.id), value: JSON.stringify(open.fence) };
    return { transaction: { compares: [], puts: [proof] }, proof, result: { volume: volume.name, host: host.name, lun, fence: open.id }, what: `unmap the volume ${volume.name}` };
  }
  const key = keys.mapping(host.name, mapping.lun);
  return {
    transaction: { compares: [{ key, revision: mapping.revision }], puts: [fencePut(id, { what: `${what} ${mapping.lun}`, atMs: platform.clock.wallMs() })], deletes: [key] },
    proof: { key, value: null },
    result: { volume: volume.name, host: host.name, lun: mapping.lun, fence: id },
    what: `unmap the volume ${volume.name} from the host ${host.name}`,
  };
}

function portalUrls(map: ClusterMap, target: string, lun: number): string[] {
  return serversByName(map.servers.values()).map((server) => `iscsi://${endpoint(server.address, server.portalPort)}/${target}/${lun}`);
}
