import { describe, expect, test } from "bun:test";
import type { DriveId, Epoch, Instance, ServerName } from "../../../src/base/ids.ts";
import { keys } from "../../../src/cluster/schema.ts";
import { AUTO_AFTER_MS, downUntil, PROOF_MS, REFUSE_WRITES_AFTER_MS, takenForLost } from "../../../src/storage/group/lone.ts";
import { GRACE_MS } from "../../../src/storage/group/times.ts";
import type { Done, Message, Read, ReadDone, Unmap } from "../../../src/wire/messages.ts";
import { Stage } from "./stage.ts";

describe("the proof that a member is down", () => {
  const nowMs = 50_000;
  const cases: readonly [string, { untilMs: number }, { sentMs: number; promised: boolean }, number][] = [
    ["begins while its promise holds", { untilMs: 0 }, { sentMs: nowMs - 10, promised: true }, nowMs - 10 + PROOF_MS],
    ["does not begin when its promise has run out: another may have been promoted", { untilMs: 0 }, { sentMs: nowMs - 10, promised: false }, 0],
    ["goes on without the promise as long as it never lapsed", { untilMs: nowMs + 1 }, { sentMs: nowMs - 10, promised: false }, nowMs - 10 + PROOF_MS],
    ["has ended when it lapsed for a moment", { untilMs: nowMs }, { sentMs: nowMs - 10, promised: false }, 0],
    ["counts from the asking, not from the answer", { untilMs: nowMs + 1 }, { sentMs: nowMs - 900, promised: false }, nowMs - 900 + PROOF_MS],
  ];
  for (const [name, before, refusal, wanted] of cases) test(name, () => expect(downUntil(before, { ...refusal, nowMs })).toBe(wanted));

  test("lasts for less than who starts again keeps still", () => expect(PROOF_MS * 1.02).toBeLessThan(GRACE_MS * 0.98));
});

describe("a member is taken for lost", () => {
  const drive = "1".repeat(16) as DriveId;
  const nowMs = 1_000_000;
  const silent = { nowMs, storeAnsweredMs: nowMs - 20_000, word: null, auto: false };
  const away = { drive, connected: false, heardMs: nowMs - 20_000 };
  const word = { givenMs: nowMs - 5000, drives: new Set([drive]) };
  const cases: readonly [string, boolean, Partial<Omit<typeof silent, "word"> & { word: typeof word }>, Partial<typeof away>][] = [
    ["never by silence alone", false, { storeAnsweredMs: 0 }, { heardMs: 0 }],
    ["by the administrator's word", true, { word }, {}],
    ["not by a word on others", false, { word: { ...word, drives: new Set(["2".repeat(16) as DriveId]) } }, {}],
    ["not by a word given before the store last answered", false, { word, storeAnsweredMs: nowMs - 4000 }, {}],
    ["not by a word of another boot", false, { word: { ...word, givenMs: nowMs + 1 } }, {}],
    ["not while it is heard, whatever anybody says", false, { word }, { heardMs: nowMs - 1000 }],
    ["not while there is a channel to it", false, { word }, { connected: true }],
    ["by time when the cluster says so", true, { auto: true, storeAnsweredMs: nowMs - AUTO_AFTER_MS }, { heardMs: nowMs - AUTO_AFTER_MS }],
    ["not by time while the store has answered since", false, { auto: true }, { heardMs: 0 }],
    ["not by time while it was heard since", false, { auto: true, storeAnsweredMs: 0 }, {}],
  ];
  for (const [name, wanted, silence, other] of cases) test(name, () => expect(takenForLost({ ...silent, ...silence }, { ...away, ...other })).toBe(wanted));
});

/** Whoever asks one drive directly, as the gateway of its own server does when it is alone. */
function ask(stage: Stage, name: string, type: "read" | "unmap", block: number): { answer: Done | ReadDone | null } {
  const { cluster } = stage;
  const seen: { answer: Done | ReadDone | null } = { answer: null };
  const { server, id } = cluster.host(name);
  const process = cluster.process("asker", server);
  const { volume, extent } = stage.place(block);
  const range = { volume: volume as Read["range"]["volume"], lineage: volume as Read["range"]["volume"], layer: 0, extent: extent as Read["range"]["extent"], first: block, count: 1 };
  const common = { group: stage.group, epoch: 0 as Epoch, tag: 1, range };
  const by = { gateway: 9 as Instance, operation: 1, oldestOpen: 1, stampInstance: 0 as Instance, stampMs: 0 };
  const message: Read | Unmap = type === "read" ? { ...common, type } : { ...common, ...by, type };
  void cluster.network
    .dialer(process, server, { kind: "gateway", id: "9", instance: 9 as Instance })
    .dial({ driveId: id, address: "", port: 1 }, () => ({ message: (answer: Message) => void (answer.type === "clock" || (seen.answer = answer as Done | ReadDone)), closed() {} }))
    .then((channel) => channel.send(message))
    .catch(() => {});
  stage.until(() => seen.answer !== null, 10_000);
  return seen;
}
function reachable(stage: Stage, name: string, yes: boolean): void {
  stage.cluster.host(name).running?.client.setReachable(yes);
}
function apart(stage: Stage, one: string, other: string): void {
  stage.cluster.block(one, other);
  stage.cluster.block(other, one);
}

describe("R24: a primary whose members are proved down while there is no store", () => {
  test("reads on, refuses writes, and is whole again when all are back", () => {
    const stage = new Stage();
    const value = stage.write(stage.place(0));
    reachable(stage, "a", false);
    stage.cluster.kill("b");
    stage.pass(20_000);
    expect(stage.cluster.group("a", stage.group)?.serving?.hasLeases()).toBe(false);
    expect(stage.read(stage.place(0))[0]).toBe(value);
    const refused = stage.begin(stage.place(1));
    stage.until(() => refused.result !== null);
    expect(refused.result).toBe("read-only");
    expect(stage.members()).toEqual(["a", "b"]);
    reachable(stage, "a", true);
    stage.cluster.start("b");
    stage.whole();
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.write(stage.place(1));
  });

  test("refuses no write for an election of the store", () => {
    const stage = new Stage();
    reachable(stage, "a", false);
    stage.cluster.kill("b");
    stage.pass(3000);
    expect(stage.cluster.group("a", stage.group)?.serving?.hasLeases()).toBe(false);
    const begun = stage.begin(stage.place(0));
    stage.pass(REFUSE_WRITES_AFTER_MS - 3000);
    expect(begun.result).toBeNull();
    reachable(stage, "a", true);
    // What has waited for 4 s is late (R15), and its host asks anew.
    stage.until(() => stage.members().length === 1 && stage.serving().length === 1);
    stage.write(stage.place(0));
  });

  test("answers nothing when the others are only cut off", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    reachable(stage, "a", false);
    reachable(stage, "b", false);
    apart(stage, "s1", "s2");
    stage.pass(20_000);
    expect(ask(stage, "a", "read", 0).answer?.result).toBe("not-primary");
  });

  test("answers nothing when the others lost power: a machine that is off refuses nothing", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    reachable(stage, "a", false);
    stage.cluster.powerOff("s2");
    stage.pass(20_000);
    expect(ask(stage, "a", "read", 0).answer?.result).toBe("not-primary");
  });

  test("X34: stops before a member that starts again, unseen by it, can be promoted", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    reachable(stage, "a", false);
    stage.cluster.kill("b");
    stage.pass(10_000);
    expect(stage.cluster.group("a", stage.group)?.serving?.leases.mayAnswer()).toBe(true);
    apart(stage, "s1", "s2");
    stage.cluster.start("b");
    stage.until(() => stage.serving().includes("b"));
    // The simulator fails when both may answer at one instant; this is for the reader.
    expect(stage.cluster.group("a", stage.group)?.serving?.leases.mayAnswer()).toBe(false);
    const value = stage.write(stage.place(0));
    stage.cluster.network.unblockAll();
    reachable(stage, "a", true);
    stage.whole();
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });

  test("X34: has no proof when the members went down after their promises had run out", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    reachable(stage, "a", false);
    apart(stage, "s1", "s2");
    stage.until(() => stage.serving().includes("b"));
    // Until the gateway has heard of b it would ask a, where reads of that block then wait for the write.
    stage.pass(500);
    const value = stage.write(stage.place(0));
    // b has taken writes alone; now it dies, and a sees its port refuse.
    stage.cluster.kill("b");
    stage.cluster.network.unblockAll();
    stage.pass(20_000);
    expect(ask(stage, "a", "read", 0).answer?.result).toBe("not-primary");
    reachable(stage, "a", true);
    stage.cluster.start("b");
    stage.whole();
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });

  test("X38: lets blocks wait that it has written and nobody has acknowledged", () => {
    const stage = new Stage();
    const value = stage.write(stage.place(0));
    stage.write(stage.place(8));
    reachable(stage, "a", false);
    stage.cluster.hang("b");
    const begun = stage.begin(stage.place(8));
    stage.pass(300);
    stage.cluster.kill("b");
    stage.pass(10_000);
    expect(begun.result).toBeNull();
    let answered = false;
    stage.gateway.read(stage.place(8), () => (answered = true));
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.pass(10_000);
    expect(answered).toBe(false);
    reachable(stage, "a", true);
    stage.until(() => answered && begun.result === "done");
  });
});

describe("R24: a copy whose other members are said to be lost", () => {
  function lonely(): { stage: Stage; value: number } {
    const stage = new Stage();
    const value = stage.write(stage.place(0));
    stage.pass(3000);
    reachable(stage, "b", false);
    return { stage, value };
  }
  function say(stage: Stage, servers = ["s1"]): void {
    stage.cluster.words.set("s2", { givenMs: stage.cluster.host("b").running?.process.nowMs() ?? 0, servers: servers as ServerName[] });
  }

  test("is read by the administrator's word, takes no write, and obeys the store again when it answers", () => {
    const { stage, value } = lonely();
    stage.cluster.powerOff("s1");
    stage.pass(10_000);
    expect(ask(stage, "b", "read", 0).answer?.result).toBe("not-primary");
    say(stage);
    const { answer } = ask(stage, "b", "read", 0);
    expect(answer?.result).toBe("done");
    expect((answer as ReadDone).data.readDoubleLE(0)).toBe(value);
    expect(ask(stage, "b", "unmap", 0).answer?.result).toBe("read-only");
    reachable(stage, "b", true);
    stage.until(() => stage.serving()[0] === "b");
    stage.cluster.powerOn("s1");
    stage.whole();
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });

  test("X38: lets blocks wait that may not be on all members", () => {
    const { stage } = lonely();
    stage.cluster.hang("a");
    stage.begin(stage.place(8));
    stage.until(() => stage.image("b").log.entries.some(({ first }) => first === 8));
    stage.cluster.powerOff("s1");
    stage.pass(10_000);
    say(stage);
    expect(ask(stage, "b", "read", 0).answer?.result).toBe("done");
    expect(ask(stage, "b", "read", 8).answer?.result).toBe("not-primary");
  });

  test("is not read while the others are heard, whatever the administrator says", () => {
    const { stage } = lonely();
    say(stage);
    stage.pass(10_000);
    expect(ask(stage, "b", "read", 0).answer?.result).toBe("not-primary");
    expect(stage.serving()).toEqual(["a"]);
  });

  test("is read by itself after half a minute where the cluster is set so", () => {
    const { stage, value } = lonely();
    reachable(stage, "b", true);
    stage.cluster.put(keys.settings, { loneSurvivor: "auto" });
    stage.pass(1000);
    reachable(stage, "b", false);
    stage.cluster.powerOff("s1");
    stage.pass(AUTO_AFTER_MS - 5000);
    expect(ask(stage, "b", "read", 0).answer?.result).toBe("not-primary");
    stage.pass(20_000);
    const { answer } = ask(stage, "b", "read", 0);
    expect((answer as ReadDone).data.readDoubleLE(0)).toBe(value);
  });

  test("refuses no write for good while it, the only member, has yet to become primary", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    stage.cluster.kill("a");
    stage.until(() => stage.image("b").config?.members.length === 1 && stage.cluster.group("b", stage.group)?.state !== "serving");
    stage.cluster.hang("b");
    expect(ask(stage, "b", "unmap", 8).answer?.result).toBe("not-primary");
    stage.cluster.unhang("b");
    stage.write(stage.place(8));
  });

  test("is not read when it is no member any more", () => {
    const { stage } = lonely();
    reachable(stage, "b", true);
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    stage.write(stage.place(0));
    stage.cluster.plan(stage.group, ["a", "c"]);
    stage.until(() => stage.members().includes("c"));
    stage.cluster.start("b");
    stage.pass(1000);
    reachable(stage, "b", false);
    stage.cluster.powerOff("s1");
    stage.cluster.powerOff("s3");
    stage.pass(10_000);
    say(stage, ["s1", "s3"]);
    expect(ask(stage, "b", "read", 0).answer?.result).toBe("not-primary");
  });
});
