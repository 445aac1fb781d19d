import { joining, joiningKeys } from "../cluster/joining.ts";
import { parseValue } from "../cluster/schema.ts";
import type { ClusterStore } from "../platform/store.ts";
import type { StoreMember } from "../platform/store/etcd-membership.ts";
import { readTls } from "../role/tls.ts";
import { configurationStep, drivesStep, memberOf, planOf } from "./configure.ts";
import { writeDurably } from "./durable.ts";
import { ensureServerCertificate, saveAuthority, secretFiles } from "./identity.ts";
import type { Admission } from "../cluster/join-messages.ts";
import { repeatedly } from "./put.ts";
import type { JoinPlan, Plan, SetupFile } from "./setup-file.ts";
import type { Step } from "./steps.ts";
import { peerUrlOf, type FormationWorld, type StoreConfig } from "./world.ts";

/** Three members bear the loss of one; more would only make each write slower. */
const STORE_MEMBERS_MAX = 3;
const RETRY_MS = 500;

/**
 * What the cluster has given, into files, before the plan says that it is there. From then on this server proves itself by a certificate
 * of the cluster's authority, and needs the join code no more.
 */
export async function keepAdmission(directory: string, given: Admission, server: { readonly name: string; readonly address: string }): Promise<void> {
  const files = secretFiles(directory);
  writeDurably(files.clusterKey, Buffer.from(given.clusterKey, "base64"));
  writeDurably(files.token, `${given.token}\n`);
  saveAuthority(files.tls, given.authority);
  await ensureServerCertificate(files.tls, given.authority, { name: server.name, addresses: [server.address] });
}

/** The steps from an admission to a server of the cluster. */
export function joinSteps(world: FormationWorld, setup: SetupFile): Step[] {
  return [
    drivesStep(world, setup, joinPlanOf(setup).incarnation),
    {
      name: "store member",
      detail: "Its member of the cluster store is added",
      run: (tell) => addMember(world, setup, tell),
    },
    configurationStep(world, setup, (plan) => storeOf(world, plan)),
    {
      name: "start",
      detail: "The server starts, and its member of the cluster store is filled",
      async run(tell) {
        const store = await world.start();
        await promote(world, joinPlanOf(setup), tell);
        await leavePlace(world, store, setup.id);
      },
    },
  ];
}

/**
 * As a learner, which counts for nothing: if this server never comes back, the others have lost nothing. Of two voters neither may be away, so
 * the second server's member stays a learner until the third comes, and is made a voter then: etcd fills one at a time.
 */
async function addMember(world: FormationWorld, setup: SetupFile, tell: (detail: string) => void): Promise<void> {
  const plan = joinPlanOf(setup);
  const own = peerUrlOf(plan.address, world.ports);
  await withMembership(world, plan, async (membership) => {
    await repeatedly(
      world.platform.clock,
      async () => {
        const members = await membership.list();
        if (members.length >= STORE_MEMBERS_MAX && members.every(({ peerUrl }) => peerUrl !== own)) return true;
        const filled = members.find(({ peerUrl, isLearner }) => isLearner && peerUrl !== own);
        const notYet = filled === undefined ? null : await membership.promote(filled.peerUrl);
        if (notYet !== null) {
          tell(`The cluster store waits for the member of ${filled?.name || filled?.peerUrl || "another server"}, which must be on: ${notYet}`);
          return false;
        }
        const added = await membership.addLearner(own);
        if (typeof added === "string") {
          // Another server joins at this moment, or a member is down.
          tell(`Its member of the cluster store waits to be added: ${added}`);
          return false;
        }
        setup.change({ ...joinPlanOf(setup), initialCluster: initialCluster(added, own, plan.serverName) });
        return true;
      },
      RETRY_MS,
    );
  });
}

/** etcd wants all members, by name, itself among them. */
function initialCluster(members: readonly StoreMember[], own: string, name: string): string {
  return members.map((member) => `${member.peerUrl === own ? name : member.name}=${member.peerUrl}`).join(",");
}

async function promote(world: FormationWorld, plan: JoinPlan, tell: (detail: string) => void): Promise<void> {
  if (plan.initialCluster === null) return;
  const own = peerUrlOf(plan.address, world.ports);
  await withMembership(world, plan, async (membership) => {
    await repeatedly(
      world.platform.clock,
      async () => {
        if ((await membership.list()).length < STORE_MEMBERS_MAX) return true;
        const why = await membership.promote(own);
        if (why !== null) tell(`Its member of the cluster store is filled (${why})`);
        return why === null;
      },
      RETRY_MS,
    );
  });
}

/** The name and address are in server/<name> by now, or will be as soon as this server registers. */
async function leavePlace(world: FormationWorld, store: ClusterStore, id: string): Promise<void> {
  await repeatedly(world.platform.clock, async () => {
    const { found } = await store.get(joiningKeys.joining);
    if (found === null) return true;
    const { places } = parseValue(joining, joiningKeys.joining, found.value);
    const own = places.find((place) => place.id === id);
    if (own === undefined) return true;
    if ((await store.get(`server/${own.name}`)).found === null) return false;
    const value = JSON.stringify({ places: places.filter((place) => place !== own) });
    return (await store.transact({ compares: [{ key: joiningKeys.joining, revision: found.revision }], puts: [{ key: joiningKeys.joining, value }] })).outcome === "success";
  });
}

async function withMembership(world: FormationWorld, plan: JoinPlan, run: (membership: ReturnType<FormationWorld["membership"]>) => Promise<void>): Promise<void> {
  const membership = world.membership(plan.endpoints, readTls(secretFiles(world.directory).tls));
  try {
    await run(membership);
  } finally {
    membership.close();
  }
}

function storeOf(world: FormationWorld, plan: Plan): StoreConfig {
  if (plan.kind !== "join") throw new Error("this server creates a cluster and does not join one");
  const member = plan.initialCluster === null ? null : memberOf(world, plan, { cluster: plan.initialCluster, state: "existing" });
  // Its own last: a learner answers nobody, and will be a voter one day, when the others may be gone.
  const endpoints = member === null ? plan.endpoints : [...plan.endpoints.filter((known) => known !== member.clientUrl), member.clientUrl];
  return { kind: "etcd", endpoints, member };
}

function joinPlanOf(setup: SetupFile): JoinPlan {
  const plan = planOf(setup);
  if (plan.kind !== "join") throw new Error("this server creates a cluster and does not join one");
  return plan;
}

