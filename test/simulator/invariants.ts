import type { DriveId, GroupId } from "../../src/base/ids.ts";
import { keys, parseGroupName, type ClusterSettings, type GroupConfig } from "../../src/cluster/schema.ts";
import type { Transaction } from "../../src/platform/store.ts";
import { compareIds, showId, type EntryHeader, type EntryId } from "../../src/wire/entry.ts";
import type { SimulatedCluster } from "./cluster.ts";
import type { End } from "./network.ts";

/** Operations remembered of a channel: far more than are ever open on one. */
const ASKED_MAX = 10_000;
const GROUP_PREFIX = "pg/";
/** Acknowledged entries remembered of each group: the newest, which are the ones that could get lost. */
const LEDGER_MAX = 64;
/** How often queues and logs are measured, in events. */
const MEASURED_EVERY = 5000;
/** Messages on their way on one channel: what a gateway has under way at most, and as much for the rest. */
const COMING_MAX = 8192;
/** storage/drive/image.ts lets no log grow beyond it, apart from what is not committed yet. */
const LOG_MAX = 65_536 + 4096;
/** Entries acknowledged on each group, the newest last; who serves it, and who was last seen to begin to. */
interface Ledger {
  readonly acknowledged: EntryId[];
  /** Names of the drives that believe that they serve it. */
  readonly serving: Set<string>;
  servedBy: string;
  servedAt: number;
}
type Ledgers = Map<GroupId, Ledger>;

/** From now on what must hold at every instant is looked at: at each event, each message, each change of a configuration. */
export function watchInvariants(cluster: SimulatedCluster): void {
  const ledgers: Ledgers = new Map(cluster.groupIds.map((group) => [group, { acknowledged: [], serving: new Set(), servedBy: "", servedAt: 0 }]));
  let events = 0;
  cluster.time.watchers.push(() => {
    // What fails inside a promise must end the story as well.
    if (cluster.failures.length > 0) throw new Error(cluster.failures[0]);
    onePrimary(cluster, ledgers);
    if ((events += 1) % MEASURED_EVERY === 0) bounded(cluster);
  });
  cluster.network.sent = (from, message) => {
    if (message.type === "write" || message.type === "unmap") {
      from.asked.set(message.tag, message.operation);
      if (from.asked.size > ASKED_MAX) from.asked.delete(from.asked.keys().next().value as number);
    } else if (message.type === "done" && message.result === "done") acknowledged(cluster, ledgers, from, message.group, message.tag);
    else if ((message.type === "read-done" && message.result === "done") || (message.type === "done" && message.result === "miscompare")) entitled(cluster, from, message.group);
  };
  const { store } = cluster;
  const apply = store.apply.bind(store);
  store.apply = (transaction) => {
    const changed = (transaction.puts ?? []).filter(({ key }) => key.startsWith(GROUP_PREFIX)).map(({ key }) => ({ key, before: store.find(key)?.value ?? null }));
    const outcome = apply(transaction);
    if (outcome.outcome === "success") for (const { key, before } of changed) configured(cluster, ledgers, transaction, key, before);
    return outcome;
  };
}

/**
 * I1, I4, R24: one primary that may answer reads at an instant, by leases or by proof. Runs at every event, so it goes through the
 * drives to which something happened (nothing else makes one serve), and asks for leases only where two believe that they serve.
 */
function onePrimary(cluster: SimulatedCluster, ledgers: Ledgers): void {
  for (const name of cluster.time.touched) {
    const host = cluster.hosts.get(name);
    if (!host) continue;
    for (const [group, ledger] of ledgers) {
      const state = host.running?.node?.groups.get(group);
      if (!state?.serving?.open) ledger.serving.delete(name);
      else {
        ledger.serving.add(name);
        serves(cluster, ledger, group, name, state.epoch);
      }
    }
  }
  for (const [group, { serving }] of ledgers) {
    // R23: an administrator's word against one that serves gives up just this.
    if (serving.size < 2 || strictReads(cluster) || cluster.lossOnMyWord) continue;
    const found = [...serving].filter((name) => {
      const state = cluster.group(name, group)?.serving;
      return state?.open === true && state.leases.mayAnswer();
    });
    if (found.length > 1) cluster.fail(`I1: ${found.join(" and ")} serve group ${group} at the same instant, epochs ${found.map((name) => cluster.group(name, group)?.epoch).join(" and ")}`);
  }
}

/** Then leases entitle nobody to anything, and that reads are right is for the histories to say. */
function strictReads(cluster: SimulatedCluster): boolean {
  const settings = cluster.store.find(keys.settings);
  return settings !== null && (JSON.parse(settings.value) as ClusterSettings).strictReads;
}

/** I4: what a primary tells of the content it tells under leases, or by proof (R24), at the very instant. A lone copy that is none has its own rules. */
function entitled(cluster: SimulatedCluster, from: End, group: GroupId): void {
  const primary = cluster.nameOf(from.self.id);
  const serving = cluster.group(primary, group)?.serving;
  if (serving && !serving.leases.mayAnswer() && !strictReads(cluster)) cluster.fail(`I4: ${primary} answers a read of group ${group} without leases`);
}

/** I8: the ledger of acknowledged writes never shrinks: whoever serves, or becomes a member (I5), holds them all. */
function serves(cluster: SimulatedCluster, ledger: Ledger, group: GroupId, name: string, epoch: number): void {
  if (ledger.servedBy === name && ledger.servedAt === epoch) return;
  ledger.servedBy = name;
  ledger.servedAt = epoch;
  const lacks = lacking(cluster, ledger, group, name);
  // One that lags behind under an older epoch answers nothing.
  if (lacks && cluster.config(group).epoch === epoch) cluster.fail(`I8: ${name} serves group ${group} at epoch ${epoch} without the acknowledged entry ${lacks}`);
}
function lacking(cluster: SimulatedCluster, { acknowledged }: Ledger, group: GroupId, name: string): string | null {
  const image = cluster.host(name).images.get(group);
  const lacks = acknowledged.find((id) => !image || (compareIds(id, image.log.base) > 0 && !image.log.contains(id)));
  return lacks ? showId(lacks) : null;
}

/** Nothing that waits grows without end. */
function bounded(cluster: SimulatedCluster): void {
  for (const end of cluster.network.ends) if (end.comingCount > COMING_MAX) cluster.fail(`${end.comingCount} messages are on their way from ${end.peer.id} to ${end.self.id}`);
  for (const [name, { images }] of cluster.hosts) for (const [group, { log }] of images) if (log.length > LOG_MAX) cluster.fail(`the log of group ${group} on ${name} has ${log.length} entries`);
}

/** I2: what is acknowledged is durable on every member of the configuration that its primary goes by. */
function acknowledged(cluster: SimulatedCluster, ledgers: Ledgers, from: End, group: GroupId, tag: number): void {
  const operation = from.other?.asked.get(tag);
  const primary = cluster.nameOf(from.self.id);
  const members = cluster.group(primary, group)?.term?.config.members;
  if (operation === undefined || !members) return;
  const gateway = from.peer.instance;
  note(ledgers.get(group), cluster.host(primary).images.get(group)?.log.entries ?? [], gateway, operation);
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

/** R23: a group is given up to one copy under an epoch above all that any drive has seen, and nobody answers for it at that moment. */
function givenUp(cluster: SimulatedCluster, key: string, now: GroupConfig, change: string): void {
  const group = parseGroupName(key.slice(GROUP_PREFIX.length));
  for (const [name, host] of cluster.hosts) {
    if ((host.images.get(group)?.epoch ?? 0) >= now.epoch) cluster.fail(`R23: ${name} has seen epoch ${host.images.get(group)?.epoch}: ${change}`);
    const state = cluster.group(name, group);
    if (state?.serving?.leases.mayAnswer() && !cluster.lossOnMyWord) cluster.fail(`R23: ${name} serves while its group is given up: ${change}`);
  }
}

/** Finds the entry of an operation that has just been acknowledged: among the last ones, unless the answer was recorded long ago. */
function note(ledger: Ledger | undefined, entries: readonly EntryHeader[], gateway: number, operation: number): void {
  for (let i = entries.length - 1; ledger && i >= Math.max(0, entries.length - LEDGER_MAX); i -= 1) {
    const entry = entries[i] as EntryHeader;
    if (entry.gateway !== gateway || entry.operation !== operation) continue;
    ledger.acknowledged.push({ epoch: entry.epoch, seq: entry.seq });
    if (ledger.acknowledged.length > LEDGER_MAX) ledger.acknowledged.shift();
    return;
  }
}

/** I1, I3, I5: what may become of a group's configuration in one step. */
function configured(cluster: SimulatedCluster, ledgers: Ledgers, { compares }: Transaction, key: string, before: string | null): void {
  if (before === null) return;
  const old = JSON.parse(before) as GroupConfig;
  const now = cluster.config(parseGroupName(key.slice(GROUP_PREFIX.length)));
  const name = (ids: readonly DriveId[]): string => ids.map((id) => cluster.nameOf(id)).join(" ");
  const change = `${key}: epoch ${old.epoch}, primary ${cluster.nameOf(old.primary)}, members ${name(old.members)}, learners ${name(old.learners)} -> epoch ${now.epoch}, primary ${cluster.nameOf(now.primary)}, members ${name(now.members)}`;
  if (!compares.some((compare) => compare.key === key)) cluster.fail(`I3: changed without compare-and-set: ${change}`);
  if (now.incarnation !== old.incarnation) return adopted(cluster, key, now, change);
  if (now.loss && now.loss.epoch !== old.loss?.epoch) return givenUp(cluster, key, now, change);
  if (JSON.stringify(now.loss) !== JSON.stringify(old.loss)) cluster.fail(`R23: an accepted loss is forgotten: ${change}`);
  if (now.epoch !== old.epoch + 1) cluster.fail(`I1: the epoch does not grow by one: ${change}`);
  if (!old.members.includes(now.primary) || !now.members.includes(now.primary)) cluster.fail(`I3: the new primary is no member: ${change}`);
  if (now.members.some((id) => !old.members.includes(id) && !old.learners.includes(id))) cluster.fail(`I5: one that was no learner becomes a member: ${change}`);
  const group = parseGroupName(key.slice(GROUP_PREFIX.length));
  for (const id of now.members) {
    if (old.members.includes(id)) continue;
    const image = cluster.host(cluster.nameOf(id)).images.get(group);
    const ledger = ledgers.get(group);
    const lacks = ledger && lacking(cluster, ledger, group, cluster.nameOf(id));
    if (!image || image.incomplete || image.damaged || lacks) cluster.fail(`I5: ${cluster.nameOf(id)} becomes a member ${lacks ? `without the acknowledged entry ${lacks}` : "while it is incomplete or damaged"}: ${change}`);
  }
}
