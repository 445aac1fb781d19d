import { keys, DEFAULT_SETTINGS, type ClusterRecord, type PoolRecord } from "../cluster/schema.ts";
import { FIRST_USER, userKeys, userWith } from "../cluster/users.ts";
import type { ClusterStore } from "../platform/store.ts";
import { formCluster } from "./cluster.ts";
import { configurationStep, drivesStep, memberOf, planOf } from "./configure.ts";
import { ensureAuthority, ensureClusterKey, ensureServerCertificate, ensureToken, secretFiles, targetNameOf } from "./identity.ts";
import { putUnlessThere } from "./put.ts";
import type { CreatePlan, Plan, SetupFile } from "./setup-file.ts";
import type { Step } from "./steps.ts";
import { clientUrlOf, peerUrlOf, type FormationWorld, type StoreConfig } from "./world.ts";

const FIRST_INCARNATION = 1;
/** Groups of a pool: over dozens of drives they spread load evenly, and each costs little. */
const GROUP_COUNT = 512;
/** An evaluation has a drive or two, and starts faster. */
const EVALUATION_GROUP_COUNT = 64;

/** The steps from a plan to a cluster of one server, which others may join. */
export function createSteps(world: FormationWorld, setup: SetupFile): Step[] {
  const { directory, platform } = world;
  return [
    {
      name: "identity",
      detail: "The cluster's keys and this server's certificate are made",
      async run() {
        const plan = createPlanOf(setup);
        const files = secretFiles(directory);
        ensureClusterKey(files.clusterKey, platform.random);
        ensureToken(files.token, platform.random);
        const authority = await ensureAuthority(files.tls, plan.clusterName, platform.clock);
        await ensureServerCertificate(files.tls, authority, { name: plan.serverName, addresses: [plan.address] });
      },
    },
    drivesStep(world, setup, FIRST_INCARNATION),
    configurationStep(world, setup, (plan) => storeOf(world, plan)),
    {
      name: "cluster",
      detail: "The cluster store starts and the cluster is written into it",
      async run() {
        await putCluster(await world.start(), world, createPlanOf(setup));
      },
    },
  ];
}

function storeOf(world: FormationWorld, plan: Plan): StoreConfig {
  const initial = { cluster: `${plan.serverName}=${peerUrlOf(plan.address, world.ports)}`, state: "new" as const };
  return { kind: "etcd", endpoints: [clientUrlOf(plan.address, world.ports)], member: memberOf(world, plan, initial) };
}

/** The first user comes before the record of the cluster, for which the roles wait: whoever can ask the API can log in. */
async function putCluster(store: ClusterStore, { platform: { clock } }: FormationWorld, plan: CreatePlan): Promise<void> {
  const user = userWith(null, { name: FIRST_USER, role: "administrator", hash: plan.passwordHash, atMs: plan.formedAtMs });
  await putUnlessThere({ store, clock }, [
    { key: userKeys.user(FIRST_USER), value: JSON.stringify(user) },
    ...(plan.loneSurvivor === DEFAULT_SETTINGS.loneSurvivor ? [] : [{ key: keys.settings, value: JSON.stringify({ ...DEFAULT_SETTINGS, loneSurvivor: plan.loneSurvivor }) }]),
  ]);
  const record: ClusterRecord = {
    id: plan.clusterId,
    name: plan.clusterName,
    incarnation: FIRST_INCARNATION,
    targetName: targetNameOf(plan.clusterId),
    formedAtMs: plan.formedAtMs,
    ...(plan.evaluation ? { evaluation: true } : {}),
  };
  const pool: PoolRecord = plan.evaluation ? { factor: 0, groupCount: EVALUATION_GROUP_COUNT } : { factor: 1, groupCount: GROUP_COUNT };
  await formCluster({ store, clock }, { record, pool }, () => false);
}

function createPlanOf(setup: SetupFile): CreatePlan {
  const plan = planOf(setup);
  if (plan.kind !== "create") throw new Error("this server joins a cluster and does not create one");
  return plan;
}

