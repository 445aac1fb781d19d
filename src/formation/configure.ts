import { join } from "node:path";
import type { DriveId } from "../base/ids.ts";
import type { ServerConfig } from "../role/config.ts";
import { secretFiles, writeServerConfig } from "./identity.ts";
import type { Plan, SetupFile } from "./setup-file.ts";
import type { Step } from "./steps.ts";
import { clientUrlOf, peerUrlOf, type FormationWorld, type StoreConfig } from "./world.ts";

/** Its absence is what makes a server an unconfigured one. */
export const SERVER_FILE = "server.json";

export function serverFile(directory: string): string {
  return join(directory, SERVER_FILE);
}

/** The steps that creating and joining share. Formatted drives are remembered one by one: each takes a while. */
export function drivesStep(world: FormationWorld, setup: SetupFile, incarnation: number): Step {
  return {
    name: "drives",
    detail: "Its drives are formatted",
    async run(tell) {
      for (let index = 0; ; index++) {
        const { drives, clusterId } = planOf(setup);
        const drive = drives[index];
        if (drive === undefined) return;
        tell(`${drive.place} is formatted (drive ${index + 1} of ${drives.length})`);
        if (drive.formed !== null) continue;
        const formed = await world.places.format(drive.place, { id: drive.id as DriveId, clusterId, incarnation });
        const plan = planOf(setup);
        setup.change({ ...plan, drives: plan.drives.map((other) => (other.id === drive.id ? { ...other, formed } : other)) });
      }
    },
  };
}

export function configurationStep(world: FormationWorld, setup: SetupFile, store: (plan: Plan) => StoreConfig): Step {
  return {
    name: "configuration",
    detail: "Its configuration is written",
    async run() {
      const plan = planOf(setup);
      const files = secretFiles(world.directory);
      const config: ServerConfig = {
        clusterId: plan.clusterId,
        name: plan.serverName,
        directory: world.directory,
        address: plan.address,
        portalPort: world.ports.portal,
        apiPort: world.ports.api,
        portalGroupTag: plan.portalGroupTag,
        clusterKeyFile: files.clusterKey,
        tokenFile: files.token,
        tlsDirectory: files.tls,
        drives: plan.drives.map(({ place, formed }, index) => {
          if (formed === null) throw new Error(`${place} is not formatted yet`);
          return { ...formed, port: world.ports.drive(index) };
        }),
        drivePortBase: world.ports.drive(0),
        store: store(plan),
        processes: "separate",
        logLevel: "info",
      };
      writeServerConfig(serverFile(world.directory), config);
    },
  };
}

/** This server's member of etcd. */
export function memberOf(world: FormationWorld, plan: Plan, initial: { readonly cluster: string; readonly state: "new" | "existing" }) {
  return {
    name: plan.serverName,
    directory: join(world.directory, "etcd"),
    clientUrl: clientUrlOf(plan.address, world.ports),
    peerUrl: peerUrlOf(plan.address, world.ports),
    initialCluster: initial.cluster,
    initialClusterToken: plan.clusterId,
    initialClusterState: initial.state,
  };
}

export function planOf(setup: SetupFile): Plan {
  if (setup.plan === null) throw new Error("nothing was decided yet about this server's setup");
  return setup.plan;
}
