import type { DriveId, GroupId } from "../../src/base/ids.ts";
import { parseGroupName, type GroupConfig } from "../../src/cluster/schema.ts";
import type { Transaction } from "../../src/platform/store.ts";
import type { SimulatedCluster } from "./cluster.ts";
import type { End } from "./network.ts";

/** Operations remembered of a channel: far more than are ever open on one. */
const ASKED_MAX = 10_000;
const GROUP_PREFIX = "pg/";

/** From now on what must hold at every instant is looked at: at each event, each message, each change of a configuration. */
export function watchInvariants(cluster: SimulatedCluster): void {
  cluster.time.watchers.push(() => {
    // What fails inside a promise must end the story as well.
    if (cluster.failures.length > 0) throw new Error(cluster.failures[0]);
    onePrimary(cluster);
  });
  cluster.network.sent = (from, message) => {
    if (message.type === "write" || message.type === "unmap") {
      from.asked.set(message.tag, message.operation);
      if (from.asked.size > ASKED_MAX) from.asked.delete(from.asked.keys().next().value as number);
    } else if (message.type === "done" && message.result === "done") acknowledged(cluster, from, message.group, message.tag);
  };
  const { store } = cluster;
  const apply = store.apply.bind(store);
  store.apply = (transaction) => {
    const changed = (transaction.puts ?? []).filter(({ key }) => key.startsWith(GROUP_PREFIX)).map(({ key }) => ({ key, before: store.find(key)?.value ?? null }));
    const outcome = apply(transaction);
    if (outcome.outcome === "success") for (const { key, before } of changed) configured(cluster, transaction, key, before);
    return outcome;
  };
}

/**
 * I1, I4, R24: one primary that may answer reads at an instant, by leases or by proof. Runs at every event, so it looks at that only
 * where two believe that they serve.
 */
function onePrimary(cluster: SimulatedCluster): void {
  const { hosts, groupIds } = cluster;
  for (const group of groupIds) {
    let serving = 0;
    for (const { running } of hosts.values()) if (running?.node?.groups.get(group)?.state === "serving") serving += 1;
    if (serving < 2) continue;
    const found = [...hosts.keys()].filter((name) => {
      const state = cluster.group(name, group);
      return state?.state === "serving" && state.serving?.leases.mayAnswer() === true;
    });
    if (found.length > 1) cluster.fail(`I1: ${found.join(" and ")} serve group ${group} at the same instant, epochs ${found.map((name) => cluster.group(name, group)?.epoch).join(" and ")}`);
  }
}

/** I2: what is acknowledged is durable on every member of the configuration that its primary goes by. */
function acknowledged(cluster: SimulatedCluster, from: End, group: GroupId, tag: number): void {
  const operation = from.other?.asked.get(tag);
  const primary = cluster.nameOf(from.self.id);
  const members = cluster.group(primary, group)?.term?.config.members;
  if (operation === undefined || !members) return;
  const gateway = from.peer.instance;
  for (const id of members) {
    const image = cluster.host(cluster.nameOf(id)).images.get(group);
    const results = image?.operations.get(gateway);
    // A later operation's `oldestOpen` may have let go of it already.
    const forgotten = results !== undefined && results.size > 0 && Math.min(...results.keys()) > operation;
    if (!results?.has(operation) && !forgotten) cluster.fail(`I2: ${primary} acknowledges operation ${operation} of gateway ${gateway}, which ${cluster.nameOf(id)} does not hold`);
  }
}

/** R14: a group goes on under an epoch above all that any drive has seen, and nobody acts on it before that. */
function adopted(cluster: SimulatedCluster, key: string, now: GroupConfig, change: string): void {
  const group = parseGroupName(key.slice(GROUP_PREFIX.length));
  for (const [name, host] of cluster.hosts) {
    if ((host.images.get(group)?.epoch ?? 0) >= now.epoch) cluster.fail(`R14: ${name} has seen epoch ${host.images.get(group)?.epoch}: ${change}`);
    if (host.running?.node?.groups.get(group)?.term) cluster.fail(`R14: ${name} is primary while its group is adopted: ${change}`);
  }
}

/** I1, I3: what may become of a group's configuration in one step. */
function configured(cluster: SimulatedCluster, { compares }: Transaction, key: string, before: string | null): void {
  if (before === null) return;
  const old = JSON.parse(before) as GroupConfig;
  const now = cluster.config(parseGroupName(key.slice(GROUP_PREFIX.length)));
  const name = (ids: readonly DriveId[]): string => ids.map((id) => cluster.nameOf(id)).join(" ");
  const change = `${key}: epoch ${old.epoch}, primary ${cluster.nameOf(old.primary)}, members ${name(old.members)}, learners ${name(old.learners)} -> epoch ${now.epoch}, primary ${cluster.nameOf(now.primary)}, members ${name(now.members)}`;
  if (!compares.some((compare) => compare.key === key)) cluster.fail(`I3: changed without compare-and-set: ${change}`);
  if (now.incarnation !== old.incarnation) return adopted(cluster, key, now, change);
  if (now.epoch !== old.epoch + 1) cluster.fail(`I1: the epoch does not grow by one: ${change}`);
  if (!old.members.includes(now.primary) || !now.members.includes(now.primary)) cluster.fail(`I3: the new primary is no member: ${change}`);
  if (now.members.some((id) => !old.members.includes(id) && !old.learners.includes(id))) cluster.fail(`I5: one that was no learner becomes a member: ${change}`);
}
