import type * as v from "valibot";
import { fencePut } from "../../cluster/fence.ts";
import type { ClusterMap } from "../../cluster/map.ts";
import { keys, type HostRecord } from "../../cluster/schema.ts";
import { SECRET_OF } from "../../platform/seal.ts";
import type { HostAnswer, HostsAnswer } from "../api.ts";
import type { ApiContext } from "../app.ts";
import { hostChangeBody, hostCreateBody } from "../bodies.ts";
import { commit, type Change } from "../commit.ts";
import { allPortals, fenceId } from "../portals.ts";
import { Problem } from "../problem.ts";
import { findHost, readMappings, readWanted } from "../records.ts";
import { route, type Route } from "../route.ts";

/** As for volumes: kept in memory by every server and listed whole. */
const HOSTS_MAX = 1_000;

export const hostRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/hosts",
    access: "viewer",
    summary: "All hosts",
    answer: "HostsAnswer",
    async handle({ context: { store, view } }): Promise<HostsAnswer> {
      const { map, source } = await readWanted(store, view.map);
      const hosts = [...map.hosts.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      return { hosts: hosts.map((host) => hostAnswer(map, host)), source };
    },
  }),
  route({
    method: "POST",
    path: "/hosts",
    access: "administrator",
    summary: "Lets an initiator in",
    body: hostCreateBody,
    answer: "HostAnswer",
    status: 201,
    async handle({ context, body, audit }): Promise<HostAnswer> {
      audit("host created", { host: body.name, iqns: body.iqns, chapUser: body.chap?.user ?? null });
      const { store, view } = context;
      if (view.map.hosts.size >= HOSTS_MAX) throw new Problem("limit-reached", `The cluster has ${HOSTS_MAX} hosts, the most it can have. Delete one first.`);
      return hostAnswer(view.map, await commit(store, () => prepareCreate(context, body)));
    },
  }),
  route({
    method: "POST",
    path: "/hosts/:name",
    access: "administrator",
    summary: "Changes a host's initiator names or CHAP; sessions of a name that is taken away end",
    body: hostChangeBody,
    answer: "HostAnswer",
    async handle({ context, params: { name = "" }, body, audit }): Promise<HostAnswer> {
      audit("host changed", { host: name, iqns: body.iqns, chapUser: body.chap === null ? "none" : body.chap?.user });
      if (body.iqns === undefined && body.chap === undefined) throw new Problem("bad-request", "Name initiator names or CHAP to change.");
      const id = fenceId(context);
      const { host, fenced } = await commit(context.store, () => prepareChange(context, name, body, id));
      if (fenced) await allPortals(context, id, `The host ${name} is changed`);
      return hostAnswer(context.view.map, host);
    },
  }),
  route({
    method: "DELETE",
    path: "/hosts/:name",
    access: "administrator",
    summary: "Deletes a host that has no volume mapped",
    answer: "HostAnswer",
    async handle({ context, params: { name = "" }, audit }): Promise<HostAnswer> {
      audit("host deleted", { host: name });
      return hostAnswer(context.view.map, await commit(context.store, () => prepareDelete(context, name)));
    },
  }),
];

async function prepareCreate(context: ApiContext, body: v.InferOutput<typeof hostCreateBody>): Promise<Change<HostRecord>> {
  const { store } = context;
  const { name, iqns, chap } = body;
  const [taken] = await Promise.all([store.get(keys.host(name)), checkFree(store, iqns)]);
  if (taken.found !== null) throw new Problem("name-taken", `There is a host ${name} already.`);
  const record: HostRecord = { name, iqns, chap: sealed(context, name, chap ?? null) };
  const value = JSON.stringify(record);
  return {
    transaction: {
      compares: [keys.host(name), ...iqns.map(keys.iqn)].map((key) => ({ key, revision: 0 })),
      puts: [{ key: keys.host(name), value }, ...iqns.map((iqn) => ({ key: keys.iqn(iqn), value: JSON.stringify(name) }))],
    },
    proof: { key: keys.host(name), value },
    result: record,
    what: `create the host ${name}`,
  };
}

async function checkFree(store: ApiContext["store"], iqns: readonly string[]): Promise<void> {
  const owners = await Promise.all(iqns.map((iqn) => store.get(keys.iqn(iqn))));
  for (const [index, owner] of owners.entries()) {
    if (owner.found === null) continue;
    throw new Problem("iqn-taken", `The initiator name ${iqns[index]} belongs to the host ${String(JSON.parse(owner.found.value))} already.`);
  }
}

/** The store, and whoever reads a backup of it, does not get to know the secret. */
function sealed({ sealer }: ApiContext, host: string, chap: HostRecord["chap"]): HostRecord["chap"] {
  return chap && { user: chap.user, secret: sealer.seal(chap.secret, SECRET_OF.chap(host)) };
}

/** R26: taking a name away takes its volumes away, so every portal confirms that nothing of it is under way. */
async function prepareChange(context: ApiContext, name: string, body: v.InferOutput<typeof hostChangeBody>, id: number): Promise<Change<{ host: HostRecord; fenced: boolean }>> {
  const { store, platform } = context;
  const { host, revision } = await findHost(store, name);
  const iqns = body.iqns ?? host.iqns;
  const added = iqns.filter((iqn) => !host.iqns.includes(iqn));
  const gone = host.iqns.filter((iqn) => !iqns.includes(iqn));
  await checkFree(store, added);
  const record: HostRecord = { name, iqns, chap: body.chap === undefined ? host.chap : sealed(context, name, body.chap) };
  const value = JSON.stringify(record);
  const fence = gone.length > 0 ? [fencePut(id, { what: `change ${name}`, atMs: platform.clock.wallMs() })] : [];
  return {
    transaction: {
      compares: [{ key: keys.host(name), revision }, ...added.map((iqn) => ({ key: keys.iqn(iqn), revision: 0 }))],
      puts: [{ key: keys.host(name), value }, ...added.map((iqn) => ({ key: keys.iqn(iqn), value: JSON.stringify(name) })), ...fence],
      deletes: gone.map(keys.iqn),
    },
    proof: { key: keys.host(name), value },
    result: { host: record, fenced: gone.length > 0 },
    what: `change the host ${name}`,
  };
}

/** A mapping made meanwhile touches the host's record, so that the compare on it refuses the deletion. */
async function prepareDelete({ store }: ApiContext, name: string): Promise<Change<HostRecord>> {
  const { host, revision } = await findHost(store, name);
  const count = (await readMappings(store)).filter((mapping) => mapping.host === name).length;
  if (count > 0) throw new Problem("in-use", `The host ${name} has ${count} mapped volume${count === 1 ? "" : "s"}. Unmap ${count === 1 ? "it" : "them"} first.`);
  return {
    transaction: {
      compares: [{ key: keys.host(name), revision }],
      deletes: [keys.host(name), ...host.iqns.map(keys.iqn)],
    },
    proof: { key: keys.host(name), value: null },
    result: host,
    what: `delete the host ${name}`,
  };
}

/** Everything but the secret. */
function hostAnswer(map: ClusterMap, { name, iqns, chap }: HostRecord): HostAnswer {
  const mappings = [...map.mappings.values()]
    .filter((mapping) => mapping.host === name)
    .map(({ volume, lun }) => ({ volume: map.volumes.get(volume)?.name ?? String(volume), lun }))
    .sort((a, b) => a.lun - b.lun);
  return { name, iqns, chapUser: chap?.user ?? null, mappings };
}
