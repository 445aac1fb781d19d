import { lossPlan, lossTransactions, type LossPlan } from "../../cluster/accept-loss.ts";
import { openRound } from "../../cluster/adoption.ts";
import { awaitFence } from "../../cluster/fence.ts";
import { ClusterMap } from "../../cluster/map.ts";
import { AUDIT_MAX, auditRecord, groupName, keys, parseValue, type AuditRecord, type DriveRecord } from "../../cluster/schema.ts";
import type { AcceptLossAnswer } from "../api.ts";
import type { ApiContext } from "../app.ts";
import { acceptLossBody } from "../bodies.ts";
import { fenceId } from "../portals.ts";
import { Problem } from "../problem.ts";
import { route, type Route } from "../route.ts";

/**
 * R23: an administrator gives up what only lost drives hold. Without `confirm` it only tells. Everything is decided by one fresh read of the
 * store, and refused when what it was decided by has changed.
 */
export const acceptLossRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/accept-loss",
    access: "administrator",
    summary: "Gives up what only lost drives hold; without confirm it only tells what that is",
    body: acceptLossBody,
    answer: "AcceptLossAnswer",
    async handle({ context, body, caller, audit }): Promise<AcceptLossAnswer> {
      audit(body.confirm === undefined ? null : "loss accepted", { drives: body.drives, servers: body.servers });
      const map = await readMap(context);
      const drives = namedDrives(map, body);
      const unproved = await unprovedServers(context, map, drives);
      const atMs = Math.floor(context.platform.clock.wallMs());
      const named = new Set(drives.map(({ id }) => id));
      const plan = lossPlan(map, named, atMs);
      const told = answerOf(map, plan, drives, unproved);
      if (body.confirm === undefined) return told;
      if (body.confirm !== map.cluster?.name) throw new Problem("not-possible", `The confirmation must be the cluster's name, which is not ${body.confirm.slice(0, 64)}. Nothing was changed.`);
      const unsure = unproved.filter((server) => !body.confirmDown.includes(server));
      if (unsure.length > 0) throw new Problem("not-possible", `Nothing proves that ${unsure.join(" and ")} is down: no answer is no proof. If it still serves, its hosts and others would see different data. Power it off, then confirm that too by its name. Nothing was changed.`);
      if (plan.groups.length === 0) throw new Problem("not-possible", `There is nothing to give up: no group that does not serve has lost its last whole copy with these drives.${plan.left.length > 0 ? ` ${plan.left.length} groups wait for others; list them without confirming.` : ""}`);
      const portalsSilent = await carryOut(context, map, plan, named, caller.from, atMs);
      audit("loss accepted", { drives: [...named], groups: plan.groups.length, volumes: plan.volumes.map(({ name }) => name) });
      return { ...told, done: true, portalsSilent };
    },
  }),
];

async function readMap({ store }: ApiContext): Promise<ClusterMap> {
  const map = new ClusterMap();
  const { entries, revision, storeId } = await store.range("");
  map.snapshot(entries, revision, storeId);
  if (!map.cluster) throw new Problem("not-ready", "The cluster is not formed yet.");
  if (openRound(map.cluster) !== undefined) throw new Problem("not-ready", "The cluster store was restored from a backup and the drives are still being asked what they hold. Nothing can be given up before that is over.");
  return map;
}

function namedDrives(map: ClusterMap, { drives, servers, damaged }: { readonly drives: readonly string[]; readonly servers: readonly string[]; readonly damaged: boolean }): DriveRecord[] {
  for (const server of servers) if (!map.servers.has(server as never)) throw new Problem("not-found", `There is no server ${server}.`);
  for (const drive of drives) if (!map.drives.has(drive as never)) throw new Problem("not-found", `There is no drive ${drive}.`);
  const named = [...map.drives.values()].filter(({ id, server }) => drives.includes(id) || servers.includes(server));
  if (named.length === 0 && !damaged) throw new Problem("bad-request", "Name the drives that are lost, or servers that have drives.");
  for (const { id, server } of named) if (map.upDrives.has(id)) throw new Problem("not-possible", `Drive ${id} of ${server} is registered and answers, so it is not lost. Nothing was changed.`);
  return named;
}

/** R24: a refused port is proof that no process of the drive serves; no answer is none. */
async function unprovedServers({ lone }: ApiContext, map: ClusterMap, drives: readonly DriveRecord[]): Promise<string[]> {
  if (!lone) throw new Problem("not-ready", "This server cannot ask whether others are down.");
  const answers = await Promise.all(drives.map(async (drive) => ({ drive, answer: await lone.askPort(drive.address, drive.port) })));
  const open = answers.find(({ answer }) => answer === "open");
  if (open) throw new Problem("not-possible", `Something takes connections where drive ${open.drive.id} of ${open.drive.server} was, so it is not lost. Nothing was changed.`);
  return [...new Set(answers.filter(({ answer }) => answer === "unknown").map(({ drive }) => drive.server))].sort();
}

function answerOf(map: ClusterMap, plan: LossPlan, drives: readonly DriveRecord[], unproved: readonly string[]): AcceptLossAnswer {
  return {
    done: false,
    drives: drives.map(({ id }) => id),
    unproved,
    groups: plan.groups.map(({ group, copy, lacks }) => ({ group: groupName(group), copy: copy && { drive: copy.drive, server: map.drives.get(copy.drive)?.server ?? "" }, lacks })),
    left: plan.left.map(({ group, why }) => ({ group: groupName(group), why })),
    volumes: plan.volumes.map(({ name }) => name).sort(),
    bytes: plan.bytes,
    portalsSilent: [],
  };
}

/** Gives the servers whose portals have not confirmed; those of lost servers cannot. */
async function carryOut(context: ApiContext, map: ClusterMap, plan: LossPlan, named: ReadonlySet<DriveRecord["id"]>, from: string, atMs: number): Promise<string[]> {
  const { store, platform } = context;
  const records = await readAudit(store);
  const number = (records.at(-1)?.number ?? 0) + 1;
  const forget = records.filter((record) => record.number <= number - AUDIT_MAX).map((record) => keys.audit(record.number));
  const volumes = plan.volumes.map(({ name }) => name).sort();
  const what = `loss accepted of ${[...named].map((id) => `drive ${id} of ${map.drives.get(id)?.server}`).join(", ") || "damaged copies"}: ${plan.groups.length} groups, ${plan.groups.filter(({ copy }) => copy === null).length} of them without any copy, in volumes ${volumes.join(", ") || "none"}`;
  const fence = { id: fenceId(context), record: { what: "accept-loss", atMs, drop: plan.volumes.map(({ id }) => id) } };
  const transactions = lossTransactions(map, plan, named, { nonce: () => platform.random.id(), fence, audit: { record: { number, atMs, from, what }, forget } });
  for (const [index, transaction] of transactions.entries()) {
    const { outcome } = await store.transact(transaction);
    if (outcome === "success") continue;
    if (outcome === "unknown") throw new Problem("outcome-unknown", "The cluster store did not confirm that the loss is accepted: a part of it may have been. Look, and repeat the command.");
    throw new Problem("busy", `Something changed meanwhile, ${index === 0 ? "and nothing was given up" : "and only a part was given up"}: look again without confirming, then repeat the command.`);
  }
  const left = (await awaitFence({ store, clock: platform.clock }, fence.id)).map(({ server }) => server);
  // R23: nobody is left to confirm for a server that is down; its sessions ended with it.
  const down = new Set([...named].map((id) => map.drives.get(id)?.server).filter((server) => server !== undefined && ![...map.drives.values()].some((drive) => drive.server === server && !named.has(drive.id))));
  const silent = [...new Set(left.filter((server) => !down.has(server)))].sort();
  if (left.length > 0 && silent.length === 0) await store.transact({ compares: [], deletes: [keys.fence(fence.id)] });
  return silent;
}

export async function readAudit(store: ApiContext["store"]): Promise<AuditRecord[]> {
  const { entries } = await store.range("audit/");
  return entries.map(({ key, value }) => parseValue(auditRecord, key, value)).sort((a, b) => a.number - b.number);
}
