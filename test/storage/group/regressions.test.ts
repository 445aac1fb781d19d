import { describe, expect, test } from "bun:test";
import { keys } from "../../../src/cluster/schema.ts";
import { compareIds, NO_ENTRY, sameId } from "../../../src/wire/entry.ts";
import type { Channel } from "../../../src/wire/messages.ts";
import { Stage } from "./stage.ts";

/** Writes until the logs have forgotten their beginning; what is away then can only return by manifests. */
function writeMuch(stage: Stage): void {
  for (let extent = 0; extent < 20; extent += 1) stage.write(stage.place(7, 2, extent));
  stage.pass(6000);
  for (let extent = 0; extent < 20; extent += 1) stage.write(stage.place(9, 2, extent));
  expect(sameId(stage.image("a").log.base, NO_ENTRY)).toBe(false);
}
function shortLogs(stage: Stage): void {
  for (const host of stage.cluster.hosts.values()) host.medium.tuning.keeping = { entries: 4, changes: 0, settledMs: 100 };
}

// Each of these stories once went wrong in a random one.
describe("a learner that has caught up", () => {
  test("is named as member once, although the primary's journal is slow to take the new configuration", () => {
    const stage = new Stage();
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    stage.write(stage.place(0));
    stage.cluster.start("b");
    stage.until(() => stage.members().length === 2);
    stage.cluster.hang("a");
    stage.pass(500);
    stage.cluster.unhang("a");
    stage.pass(1000);
    expect(stage.members()).toEqual(["a", "b"]);
    stage.whole();
  });

  test("remembers enough of the log to be compared with another member after a failover", () => {
    const stage = new Stage(2);
    shortLogs(stage);
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 2);
    writeMuch(stage);
    // b's journal is slow until just after a write: nobody has saved yet that it is committed when b catches up.
    stage.cluster.start("b");
    stage.until(() => stage.cluster.host("b").running?.node != null);
    stage.cluster.hang("b");
    stage.until(() => stage.cluster.config(stage.group).learners.length === 1);
    const saved = stage.image("c").committed;
    stage.until(() => compareIds(stage.image("c").committed, saved) > 0 || sameId(stage.image("c").committed, stage.image("c").log.last), 2000);
    stage.write(stage.place(50));
    stage.cluster.unhang("b");
    stage.until(() => stage.members().length === 3);
    expect(stage.logged("bringing a learner into sync").at(-1)).toContain("manifests");
    stage.pass(20);
    // A write that does not reach c makes the two differ; what is committed it has not saved yet.
    stage.cluster.block("s1", "s3");
    stage.begin(stage.place(100));
    stage.pass(100);
    expect(compareIds(stage.image("b").log.last, stage.image("c").log.last)).toBeGreaterThan(0);
    stage.cluster.kill("a", true);
    stage.until(() => stage.serving().length === 1);
    expect(stage.logged("lost acknowledged data")).toEqual([]);
    stage.cluster.unblock("s1", "s3");
    stage.cluster.start("a");
    stage.whole();
  });
});

describe("a drive whose joining is not settled", () => {
  test("counts as a member when its channel breaks meanwhile, and can take over with everything acknowledged", () => {
    const stage = new Stage();
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    for (let block = 0; block < 300; block += 16) stage.write(stage.place(block));
    stage.cluster.fate = ({ puts }, client) => (client === "a" && puts?.some(({ key, value }) => key.startsWith("pg/") && /"members":\["\w+","\w+"\]/.test(value)) ? { lateMs: 1000 } : "normal");
    stage.cluster.start("b");
    stage.until(() => stage.logged("a learner has caught up").length > 0);
    const { network } = stage.cluster;
    for (const end of [...network.ends]) if (end.self.kind === "drive" && end.peer.kind === "drive") network.cut(end);
    const begun = Array.from({ length: 19 }, (_, i) => stage.begin(stage.place(i * 16)));
    stage.until(() => stage.members().length === 2, 1500);
    stage.pass(10);
    stage.cluster.fate = () => "normal";
    stage.cluster.kill("a", true);
    stage.until(() => stage.serving()[0] === "b", 10_000);
    stage.until(() => begun.every(({ result }) => result === "done"));
    begun.forEach(({ value }, i) => expect(stage.read(stage.place(i * 16))[0]).toBe(value));
    stage.cluster.start("a");
    stage.whole();
  });
});

describe("two learners", () => {
  test("are brought into sync by manifests at the same time", () => {
    const stage = new Stage(2);
    shortLogs(stage);
    stage.cluster.kill("b");
    stage.cluster.kill("c");
    stage.until(() => stage.members().length === 1);
    writeMuch(stage);
    stage.cluster.start("b");
    stage.cluster.start("c");
    stage.until(() => stage.cluster.config(stage.group).learners.length === 2);
    // While a write is in flight the first manifest waits, and the second with it.
    const running = stage.cluster.host("a").running;
    stage.until(() => [...(stage.cluster.group("a", stage.group)?.term?.peers.values() ?? [])].every((peer) => !peer.tail));
    stage.until(() => running?.drive?.appendOutstandingMs() === 0 && [...(stage.cluster.group("a", stage.group)?.term?.peers.values() ?? [])].some((peer) => peer.channel !== null));
    stage.cluster.hang("a");
    stage.begin(stage.place(0));
    stage.pass(300);
    stage.cluster.unhang("a");
    stage.whole();
    expect(stage.logged("manifests").length).toBeGreaterThanOrEqual(2);
  });
});

describe("a drive that restarts", () => {
  test("stays registered although its last process's registration arrives late", () => {
    const stage = new Stage();
    stage.cluster.kill("b");
    stage.cluster.fate = ({ puts }, client) => (client === "b" && puts?.some(({ key }) => key.startsWith("up/")) ? { lateMs: 900 } : "normal");
    stage.cluster.start("b");
    stage.pass(300);
    stage.cluster.fate = () => "normal";
    stage.cluster.restart("b");
    stage.pass(10_000);
    const { id, instance } = stage.cluster.host("b");
    for (const key of [keys.upDrive(id), keys.drive(id)]) expect(JSON.parse(stage.cluster.store.find(key)?.value ?? "{}")).toMatchObject({ instance });
    stage.whole();
  });
});

describe("a replica whose journal is slow", () => {
  test("keeps to the newer fence when an older one comes while it is being journalled", () => {
    const stage = new Stage(2);
    stage.write(stage.place(0));
    const running = stage.cluster.host("c").running;
    const group = running?.node?.groups.get(stage.group);
    const config = stage.cluster.config(stage.group);
    if (!running || !group || !config) throw new Error("the group is on drive c");
    const heir = config.members.find((drive) => drive !== config.primary && drive !== running.drive?.id);
    if (!heir) throw new Error("the group has three members");
    const fence = (epoch: number, primary: typeof heir, instance: number): void => {
      const fenced = { ...config, epoch: epoch as typeof config.epoch, primary, primaryInstance: instance as typeof config.primaryInstance, nonce: epoch };
      const channel: Channel = { peer: { kind: "drive", id: primary, instance: fenced.primaryInstance }, queuedBytes: 0, send() {}, close() {} };
      group.fromPrimary(channel, { type: "fence", group: stage.group, epoch: fenced.epoch, tag: 1, config: fenced, dead: [] });
    };
    stage.cluster.hang("c");
    fence(config.epoch + 2, heir, 1);
    fence(config.epoch + 1, config.primary, config.primaryInstance);
    stage.cluster.unhang("c");
    stage.pass(200);
    expect(stage.cluster.host("c").running).not.toBeNull();
    expect(group.epoch).toBe((config.epoch + 2) as typeof config.epoch);
  });
});
