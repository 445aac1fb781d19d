import * as v from "valibot";
import { assert } from "../../base/assert.ts";
import type { VolumeId } from "../../base/ids.ts";
import { capacity, serversWithDrives, usableBytes } from "../../cluster/capacity.ts";
import { openRound, restoreWanted, storeReplaced } from "../../cluster/adoption.ts";
import { fencePut } from "../../cluster/fence.ts";
import type { ClusterMap } from "../../cluster/map.ts";
import * as schema from "../../cluster/schema.ts";
import { keys, type PoolFactor, type PoolRecord, type Tombstone, type VolumeRecord } from "../../cluster/schema.ts";
import type { Transaction } from "../../platform/store.ts";
import type { VolumeAnswer, VolumeCreateAnswer, VolumesAnswer } from "../api.ts";
import type { ApiContext } from "../app.ts";
import { volumeChangeBody, volumeCreateBody } from "../bodies.ts";
import { commit, type Change } from "../commit.ts";
import { allPortals, fenceId } from "../portals.ts";
import { Problem } from "../problem.ts";
import { findVolume, noVolume, readMappings, readRecord, readWanted } from "../records.ts";
import { route, type Route } from "../route.ts";

/** Every server keeps all of them in memory and lists are answered whole. */
const VOLUMES_MAX = 10_000;

type CreateBody = v.InferOutput<typeof volumeCreateBody> & { readonly factor: PoolFactor };

export const volumeRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/volumes",
    access: "viewer",
    summary: "All volumes",
    answer: "VolumesAnswer",
    async handle({ context: { store, view } }): Promise<VolumesAnswer> {
      const { map, source } = await readWanted(store, view.map);
      const volumes = [...map.volumes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      return { volumes: volumes.map((volume) => volumeAnswer(map, volume)), source };
    },
  }),
  route({
    method: "GET",
    path: "/volumes/:name",
    access: "viewer",
    summary: "One volume",
    answer: "VolumeAnswer",
    async handle({ context: { store, view }, params: { name = "" } }): Promise<VolumeAnswer> {
      const { map } = await readWanted(store, view.map);
      const volume = [...map.volumes.values()].find((candidate) => candidate.name === name);
      if (volume === undefined) throw noVolume(name);
      return volumeAnswer(map, volume);
    },
  }),
  route({
    method: "POST",
    path: "/volumes",
    access: "administrator",
    summary: "Creates a thin volume",
    body: volumeCreateBody,
    answer: "VolumeCreateAnswer",
    status: 201,
    async handle({ context, body, audit }): Promise<VolumeCreateAnswer> {
      const { name, sizeBytes } = body;
      audit("volume created", { volume: name, sizeBytes, factor: body.factor });
      const { view, store } = context;
      const factor = checkCluster(view.map, view.ready, body.factor);
      const created = await commit(store, () => prepareCreate(context, { ...body, factor }));
      audit("volume created", { volume: name, id: created.id, sizeBytes, factor });
      const warning = thinWarning(view.map, created);
      return { ...volumeAnswer(view.map, created), ...(warning === null ? {} : { warning }) };
    },
  }),
  route({
    method: "POST",
    path: "/volumes/:name",
    access: "administrator",
    summary: "Makes a volume larger; hosts see it when they look again",
    body: volumeChangeBody,
    answer: "VolumeCreateAnswer",
    async handle({ context, params: { name = "" }, body: { sizeBytes }, audit }): Promise<VolumeCreateAnswer> {
      audit("volume grown", { volume: name, sizeBytes });
      const id = fenceId(context);
      const grown = await commit(context.store, () => prepareGrow(context, name, sizeBytes, id));
      await allPortals(context, id, `The volume ${name} is larger`, "shows the new size");
      const warning = thinWarning(context.view.map, grown);
      return { ...volumeAnswer(context.view.map, grown), ...(warning === null ? {} : { warning }) };
    },
  }),
  route({
    method: "DELETE",
    path: "/volumes/:name",
    access: "administrator",
    summary: "Deletes a volume that is mapped to no host, with all its data; ?force does not wait for portals",
    answer: "VolumeAnswer",
    async handle({ context, params: { name = "" }, query, audit }): Promise<VolumeAnswer> {
      audit("volume deleted", { volume: name });
      // R21: first all portals stop serving it, then it is gone.
      if (!query.has("force")) {
        const id = fenceId(context);
        await commit(context.store, () => prepareFence(context, name, id));
        await allPortals(context, id, `The volume ${name} is not deleted yet`);
      }
      const deleted = await commit(context.store, () => prepareDelete(context, name));
      audit("volume deleted", { volume: deleted.name, id: deleted.id });
      return volumeAnswer(context.view.map, deleted);
    },
  }),
];

/** What the cluster as a whole must have; from this server's copy, since servers and drives come slowly. Gives the volume's factor. */
function checkCluster(map: ClusterMap, ready: boolean, wanted: PoolFactor | undefined): PoolFactor {
  if (!ready || map.cluster === null) throw new Problem("not-ready", "This server has not read the cluster's state yet. Try again or ask another server.");
  const evaluation = map.cluster.evaluation === true;
  const factor = wanted ?? (evaluation ? 0 : 1);
  if (evaluation && factor !== 0) throw new Problem("not-possible", "This cluster was formed as an evaluation: everything in it has one copy. Form a cluster of three servers for more.");
  if (!evaluation && factor === 0) throw new Problem("not-possible", "Replication factor 0 keeps one copy and is for clusters that were formed as an evaluation. Use factor 1 or 2.");
  const servers = serversWithDrives(map);
  if (servers < factor + 1) {
    const instead = factor === 2 && servers === 2 ? "Use factor 1, or add a server." : "Add a server.";
    throw new Problem("too-few-servers", `Replication factor ${factor} keeps ${factor + 1} copies on as many servers, but only ${servers} of this cluster's servers have drives. ${instead}`);
  }
  if (map.volumes.size >= VOLUMES_MAX) throw new Problem("limit-reached", `The cluster has ${VOLUMES_MAX} volumes, the most it can have. Delete one first.`);
  return factor;
}

/** Reads the store and names the transaction that creates the volume, and its pool when it is the first of its factor. */
async function prepareCreate({ store, platform, view }: ApiContext, { name, sizeBytes, factor }: CreateBody): Promise<Change<VolumeRecord>> {
  const [cluster, counter, taken, pool, firstPool] = await Promise.all([
    readRecord(store, keys.cluster, schema.clusterRecord),
    readRecord(store, keys.volumeCounter, v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
    store.get(keys.volumeName(name)),
    readRecord(store, keys.pool(factor), schema.poolRecord),
    readRecord(store, keys.pool(factor === 0 ? 0 : 1), schema.poolRecord),
  ]);
  if (taken.found !== null) throw new Problem("name-taken", `There is a volume ${name} already.`);
  if (cluster.value === null || firstPool.value === null) throw new Problem("not-ready", "The cluster is not formed yet.");
  // R14: the counter of a store that went back has been counted on already; the next incarnation makes its numbers new.
  const doubted = restoreWanted(view.map) !== null || openRound(cluster.value) !== undefined || storeReplaced(cluster.value, view.map.storeId);
  if (doubted) throw new Problem("not-ready", "The cluster store was restored from a backup and the drives are still being asked what they hold. Try again when the cluster serves.");
  const next = (counter.value ?? 0) + 1;
  assert(next < 2 ** 32, "a volume's counter stays below 2^32");
  const id = (cluster.value.incarnation * 2 ** 32 + next) as VolumeId;
  const record: VolumeRecord = { id, name, sizeBytes, factor, lineage: id, createdAtMs: platform.clock.wallMs() };
  const value = JSON.stringify(record);
  const puts = [
    { key: keys.volumeCounter, value: JSON.stringify(next) },
    { key: keys.volumeName(name), value: JSON.stringify(id) },
    { key: keys.volume(id), value },
  ];
  if (pool.value === null) {
    const wanted: PoolRecord = { factor, groupCount: firstPool.value.groupCount };
    puts.push({ key: keys.pool(factor), value: JSON.stringify(wanted) });
  }
  const transaction: Transaction = {
    compares: [
      { key: keys.cluster, revision: cluster.revision },
      { key: keys.volumeCounter, revision: counter.revision },
      { key: keys.volumeName(name), revision: 0 },
      { key: keys.pool(factor), revision: pool.revision },
    ],
    puts,
  };
  return { transaction, proof: { key: keys.volume(id), value }, result: record, what: `create the volume ${name}` };
}

/**
 * R26: a host that has seen the new size by one path must not be refused the end of the volume by another, so every portal confirms
 * before the administrator is told. Nothing need be made: extents come when they are written.
 */
async function prepareGrow({ store, platform }: ApiContext, name: string, sizeBytes: number, id: number): Promise<Change<VolumeRecord>> {
  const { volume, revision } = await findVolume(store, name);
  if (sizeBytes < volume.sizeBytes) throw new Problem("not-possible", `The volume ${name} has ${volume.sizeBytes} bytes and is never made smaller: the hosts' data at its end would be lost.`);
  const record: VolumeRecord = { ...volume, sizeBytes };
  const put = { key: keys.volume(volume.id), value: JSON.stringify(record) };
  const fence = fencePut(id, { what: `grow ${volume.id}`, atMs: platform.clock.wallMs() });
  return { transaction: { compares: [{ key: put.key, revision }, { key: fence.key, revision: 0 }], puts: [put, fence] }, proof: fence, result: record, what: `grow the volume ${name}` };
}

/** R21, R26: each portal confirms that it has nothing under way on a volume that is mapped nowhere. */
async function prepareFence({ store, platform }: ApiContext, name: string, id: number): Promise<Change<null>> {
  const { volume, revision } = await findVolume(store, name);
  await checkUnmapped(store, volume);
  const put = fencePut(id, { what: `delete ${volume.id}`, atMs: platform.clock.wallMs() });
  return { transaction: { compares: [{ key: keys.volume(volume.id), revision }, { key: put.key, revision: 0 }], puts: [put] }, proof: put, result: null, what: `delete the volume ${name}` };
}

async function checkUnmapped(store: ApiContext["store"], { id, name }: VolumeRecord): Promise<void> {
  const mapping = (await readMappings(store)).find((candidate) => candidate.volume === id);
  if (mapping !== undefined) throw new Problem("in-use", `The volume ${name} is mapped to the host ${mapping.host} as LUN ${mapping.lun}. Unmap it first.`);
}

/**
 * R21: the tombstone and the end of the volume's record are one transaction. A mapping made meanwhile touches the volume's record, so that
 * the compare on it refuses the deletion.
 */
async function prepareDelete({ store, platform }: ApiContext, name: string): Promise<Change<VolumeRecord>> {
  const { volume, revision, nameRevision } = await findVolume(store, name);
  await checkUnmapped(store, volume);
  const tombstone: Tombstone = { id: volume.id, name, factor: volume.factor, lineage: volume.lineage, deletedAtMs: platform.clock.wallMs() };
  const value = JSON.stringify(tombstone);
  const transaction: Transaction = {
    compares: [
      { key: keys.volume(volume.id), revision },
      { key: keys.volumeName(name), revision: nameRevision },
    ],
    puts: [{ key: keys.tombstone(volume.id), value }],
    deletes: [keys.volume(volume.id), keys.volumeName(name)],
  };
  return { transaction, proof: { key: keys.tombstone(volume.id), value }, result: volume, what: `delete the volume ${name}` };
}

function volumeAnswer(map: ClusterMap, volume: VolumeRecord): VolumeAnswer {
  const { id, name, sizeBytes, factor, createdAtMs } = volume;
  const mappings = [...map.mappings.values()]
    .filter((mapping) => mapping.volume === id)
    .map(({ host, lun }) => ({ host, lun }))
    .sort((a, b) => (a.host < b.host ? -1 : 1));
  return { id, name, sizeBytes, factor, copies: factor + 1, createdAtMs, mappings };
}

/** Volumes are thin, so a size is a promise: says when this one, or all together, promise more than the drives can hold. */
function thinWarning(map: ClusterMap, created: VolumeRecord): string | null {
  const usable = usableBytes(map, created.factor);
  if (created.sizeBytes > usable) {
    return `The volume is larger than all that the drives can hold with ${created.factor + 1} copies (${usable} bytes): writes will fail once they are full. Add drives before that.`;
  }
  const { provisionedRawBytes, rawBytes } = capacity(map);
  // The map may not show the new volume yet.
  const together = provisionedRawBytes + (map.volumes.has(created.id) ? 0 : created.sizeBytes * (created.factor + 1));
  if (together <= rawBytes) return null;
  return `The volumes together promise more than the drives hold (${together} of ${rawBytes} bytes with all copies): writes will fail once they are full. Add drives before that.`;
}
