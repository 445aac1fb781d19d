import { VERSION } from "../base/version.ts";
import { alertingKeys } from "../cluster/alerting.ts";
import { Alerting } from "../monitor/alerting/alerting.ts";
import { Notifier } from "../monitor/alerting/notifier.ts";
import { SilenceTeller } from "../monitor/alerting/silence.ts";
import { Measurer } from "../monitor/measure/measurer.ts";
import { Monitor } from "../monitor/monitor.ts";
import { realCommands } from "../platform/command.ts";
import { realSealer } from "../platform/seal.ts";
import type { ServerConfig } from "./config.ts";
import { readConfig } from "./context.ts";
import { readKey } from "./cluster-key.ts";
import { LeasedRecords } from "./leased-records.ts";
import { realSenders } from "./notifications.ts";
import type { RoleContext, RunRole } from "./role.ts";

/**
 * The monitor of one server. It serves as soon as it watches; whether it leads is settled among the servers. Beside the planning it
 * measures this server, and while it leads keeps alerts and tells channels of them.
 */
export const runMonitor: RunRole = async (context) => {
  const { platform, store, config } = context;
  const now = (): ServerConfig => currentConfig(context);
  const sealer = realSealer(await readKey(context));
  const monitor = new Monitor(platform, store, config.name);
  monitor.start();
  const published = new LeasedRecords(platform, store);
  const { map } = monitor;
  const measurer = new Measurer({
    platform,
    store,
    commands: realCommands(),
    map,
    server: config.name,
    version: VERSION,
    directory: config.directory,
    tlsDirectory: config.tlsDirectory,
    address: config.address,
    drives: () => now().drives,
    roles: () => expectedRoles(now()),
    member: () => hasMember(now()),
    publish: (checked) => published.publish(alertingKeys.checked(config.name), checked),
  });
  const alerting = new Alerting({ platform, store, server: config.name, map, heard: ({ server, sentAtMs }) => measurer.heard(server, sentAtMs) });
  measurer.start();
  const senders = realSenders(platform, sealer);
  const cluster = () => map.cluster && { name: map.cluster.name, id: map.cluster.id };
  const notifier = new Notifier({
    platform,
    records: alerting.records,
    senders,
    cluster,
    leads: () => alerting.leads,
    write: (transaction) => alerting.write(transaction),
  });
  const silence = new SilenceTeller({ platform, store, server: config.name, records: alerting.records, senders, cluster });
  return {
    async stop() {
      measurer.stop();
      silence.stop();
      await Promise.all([alerting.stop(), notifier.stop(), monitor.stop(), published.close()]);
    },
  };
};

/** As the file has it now; one that cannot be read this moment is as it was at the start. */
function currentConfig({ config, configFile }: RoleContext): ServerConfig {
  if (configFile === undefined) return config;
  try {
    return readConfig(configFile);
  } catch {
    return config;
  }
}

function hasMember({ store }: ServerConfig): boolean {
  return store.kind === "etcd" && store.member !== null;
}

/** Those whose absence no other check would tell. */
function expectedRoles(config: ServerConfig): string[] {
  return ["monitor", "management", ...(hasMember(config) ? ["etcd"] : [])];
}
