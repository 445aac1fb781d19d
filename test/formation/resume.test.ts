import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterRecord, keys, parseValue, poolRecord, serverRecord } from "../../src/cluster/schema.ts";
import { joining, joiningKeys } from "../../src/cluster/joining.ts";
import { FIRST_USER, userKeys } from "../../src/cluster/users.ts";
import { serverFile } from "../../src/formation/configure.ts";
import { createSteps } from "../../src/formation/create.ts";
import { joinSteps, keepAdmission } from "../../src/formation/join.ts";
import type { DrivePlaces } from "../../src/formation/places.ts";
import { SetupFile, type Plan } from "../../src/formation/setup-file.ts";
import { runSteps, type Step } from "../../src/formation/steps.ts";
import { APPLIANCE_PORTS, type FormationWorld } from "../../src/formation/world.ts";
import { fingerprintOf } from "../../src/platform/certificates.ts";
import { realClock } from "../../src/platform/clock.ts";
import { MemoryStore } from "../../src/platform/store/memory.ts";
import type { ClusterStore } from "../../src/platform/store.ts";
import type { StoreMember } from "../../src/platform/store/etcd-membership.ts";
import { readConfig } from "../../src/role/context.ts";
import { authority } from "../certificates.ts";
import { fakePlatform } from "../management/api-fixture.ts";

// Each life writes a dozen small files durably, and there are some forty.
setDefaultTimeout(120_000);
const CLUSTER = "c".repeat(32);
const common = { clusterId: CLUSTER, clusterName: "demo", address: "10.0.0.2", drives: ["1", "2"].map((digit) => ({ place: `/dev/sd${digit}`, id: digit.repeat(16), formed: null })) };
const CREATE: Plan = { kind: "create", ...common, serverName: "server-1", portalGroupTag: 1, formedAtMs: 5, evaluation: false, loneSurvivor: "auto", passwordHash: "hash" };
const JOIN: Plan = { kind: "join", ...common, serverName: "server-2", portalGroupTag: 2, incarnation: 1, endpoints: ["https://10.0.0.1:2379"], initialCluster: null };

class Killed extends Error {}

/** What lasts over a kill: the server's directory, its drives, the cluster store and its members. */
class Machine implements DrivePlaces {
  readonly directory = mkdtempSync(join(tmpdir(), "virtustor-resume-"));
  members: StoreMember[] = [{ id: "1", name: "server-1", peerUrl: "https://10.0.0.1:2380", clientUrl: "https://10.0.0.1:2379", isLearner: false }];
  readonly #memory = new MemoryStore({ clock: realClock() });
  readonly #store: ClusterStore = this.#memory.client();
  /** Things that happen to the world until the kill; each thing that has happened counts one. */
  #left = Infinity;
  done = 0;

  killAfter(happenings: number): void {
    this.#left = happenings;
  }
  happens<T>(result: T): T {
    if (this.#left-- <= 0) throw new Killed();
    this.done++;
    return result;
  }

  unfit(): Promise<null> {
    return Promise.resolve(null);
  }
  release(): Promise<void> {
    return Promise.resolve();
  }
  async format(place: string): Promise<{ directory: string; filesystem: string }> {
    await Promise.resolve();
    this.happens(null);
    return this.happens({ directory: join(this.directory, "drives", place.slice(-1)), filesystem: `uuid-${place.slice(-1)}` });
  }

  get store(): ClusterStore {
    const get: ClusterStore["get"] = async (key) => await this.#store.get(this.happens(key));
    const transact: ClusterStore["transact"] = async (transaction) => {
      this.happens(null);
      return this.happens(await this.#store.transact(transaction));
    };
    return { get, transact, range: (prefix) => this.#store.range(prefix), watch: (prefix, events) => this.#store.watch(prefix, events), lease: (ttlMs) => this.#store.lease(ttlMs), close: () => Promise.resolve() };
  }
  async read(key: string): Promise<string> {
    return (await this.#store.get(key)).found?.value ?? "null";
  }
  async write(key: string, value: object): Promise<void> {
    await this.#store.transact({ compares: [], puts: [{ key, value: JSON.stringify(value) }] });
  }

  get world(): FormationWorld {
    return {
      platform: fakePlatform([]),
      directory: this.directory,
      ports: APPLIANCE_PORTS,
      places: this,
      start: async () => {
        const { name, address, portalPort, apiPort, portalGroupTag } = readConfig(serverFile(this.directory));
        this.happens(null);
        this.members = this.members.map((member) => (member.peerUrl === `https://${address}:2380` ? { ...member, name, clientUrl: `https://${address}:2379` } : member));
        await this.write(keys.server(name), { name, address, portalPort, apiPort, portalGroupTag });
        return this.store;
      },
      membership: () => ({
        list: () => Promise.resolve(this.happens(this.members)),
        addLearner: (peerUrl) => {
          this.happens(null);
          if (this.members.every((member) => member.peerUrl !== peerUrl)) this.members = [...this.members, { id: String(this.members.length + 1), name: "", peerUrl, clientUrl: "", isLearner: true }];
          return Promise.resolve(this.happens(this.members));
        },
        promote: (peerUrl) => {
          this.happens(null);
          if (this.members.find((member) => member.peerUrl === peerUrl)?.name === "") return Promise.resolve("not started");
          this.members = this.members.map((member) => (member.peerUrl === peerUrl ? { ...member, isLearner: false } : member));
          return Promise.resolve(this.happens(null));
        },
        close: () => undefined,
      }),
    };
  }

  /** One life of the server's process: goes on with the plan, or begins it. True when all is done. */
  async live(plan: Plan, stepsOf: (world: FormationWorld, setup: SetupFile) => Step[]): Promise<boolean> {
    const setup = SetupFile.open(this.directory, () => "a".repeat(32));
    if (setup.plan === null) {
      if (plan.kind === "join") await keepAdmission(this.directory, { clusterId: CLUSTER, incarnation: 1, clusterKey: "", token: "token", authority, endpoints: plan.endpoints, portalGroupTag: 2 }, { name: plan.serverName, address: plan.address });
      setup.begin(plan);
    }
    try {
      await runSteps(setup, stepsOf(this.world, setup), () => undefined);
    } catch (error) {
      if (error instanceof Killed) return false;
      throw error;
    }
    setup.finish();
    return true;
  }
}

let machines: Machine[];
beforeEach(() => {
  machines = [];
});
afterEach(() => {
  for (const { directory } of machines) rmSync(directory, { recursive: true, force: true });
});
function machine(): Machine {
  const made = new Machine();
  machines.push(made);
  return made;
}

/** Kills the server after each single thing that it does, and after each pair; every time it must come out the same. */
async function killedEverywhere(plan: Plan, stepsOf: (world: FormationWorld, setup: SetupFile) => Step[], prepare: (machine: Machine) => Promise<void>, check: (machine: Machine) => Promise<void>): Promise<void> {
  const whole = machine();
  await prepare(whole);
  expect(await whole.live(plan, stepsOf)).toBe(true);
  await check(whole);
  expect(whole.done).toBeGreaterThan(8);
  for (let at = 0; at < whole.done; at++) {
    const cut = machine();
    await prepare(cut);
    cut.killAfter(at);
    expect(await cut.live(plan, stepsOf)).toBe(false);
    cut.killAfter(at + 1);
    const again = await cut.live(plan, stepsOf);
    cut.killAfter(Infinity);
    if (!again) expect(await cut.live(plan, stepsOf)).toBe(true);
    await check(cut);
  }
}

describe("a server that is killed at any point of its setup comes out the same", () => {
  test("creating a cluster", async () => {
    await killedEverywhere(CREATE, createSteps, () => Promise.resolve(), async (made) => {
      const config = readConfig(serverFile(made.directory));
      expect(config).toMatchObject({ clusterId: CLUSTER, name: "server-1", address: "10.0.0.2", apiPort: 443, portalGroupTag: 1, store: { kind: "etcd", member: { initialCluster: "server-1=https://10.0.0.2:2380", initialClusterState: "new" } } });
      expect(config.drives).toEqual(["1", "2"].map((digit, index) => ({ directory: join(made.directory, "drives", digit), filesystem: `uuid-${digit}`, port: 7000 + index })));
      expect(parseValue(clusterRecord, keys.cluster, await made.read(keys.cluster))).toMatchObject({ id: CLUSTER, name: "demo", incarnation: 1, targetName: `iqn.2026-11.io.virtustor:${CLUSTER.slice(0, 12)}` });
      expect(parseValue(poolRecord, keys.pool(1), await made.read(keys.pool(1)))).toEqual({ factor: 1, groupCount: 512 });
      expect(JSON.parse(await made.read(userKeys.user(FIRST_USER)))).toMatchObject({ name: "admin", role: "administrator", hash: "hash", generation: 1 });
      expect(JSON.parse(await made.read(keys.settings))).toMatchObject({ loneSurvivor: "auto" });
      for (const file of ["cluster.key", "token", "tls/ca.crt", "tls/ca.key", "tls/server.crt", "tls/server.key"]) expect(readFileSync(join(made.directory, file)).length).toBeGreaterThan(16);
    });
  });

  test("joining one, as its second server, whose member of the store stays a learner", async () => {
    await killedEverywhere(JOIN, joinSteps, reserved, async (made) => {
      await checkJoined(made, "server-1=https://10.0.0.1:2380,server-2=https://10.0.0.2:2380");
      expect(made.members.map(({ name, isLearner }) => [name, isLearner])).toEqual([["server-1", false], ["server-2", true]]);
    });
  });

  test("joining one, as its third server, which makes the second's member and its own full ones", async () => {
    const prepare = async (made: Machine): Promise<void> => {
      made.members.push({ id: "9", name: "server-9", peerUrl: "https://10.0.0.9:2380", clientUrl: "https://10.0.0.9:2379", isLearner: true });
      await reserved(made);
    };
    await killedEverywhere(JOIN, joinSteps, prepare, async (made) => {
      await checkJoined(made, "server-1=https://10.0.0.1:2380,server-9=https://10.0.0.9:2380,server-2=https://10.0.0.2:2380");
      expect(made.members.map(({ isLearner }) => isLearner)).toEqual([false, false, false]);
    });
  });

  test("joining one as its fourth, without a member of the store", async () => {
    const prepare = async (made: Machine): Promise<void> => {
      made.members.push(...["8", "9"].map((digit) => ({ id: digit, name: `server-${digit}`, peerUrl: `https://10.0.0.${digit}:2380`, clientUrl: `https://10.0.0.${digit}:2379`, isLearner: false })));
      await reserved(made);
    };
    await killedEverywhere(JOIN, joinSteps, prepare, async (made) => {
      expect(readConfig(serverFile(made.directory)).store).toEqual({ kind: "etcd", endpoints: ["https://10.0.0.1:2379"], member: null });
      expect(made.members).toHaveLength(3);
    });
  });
});

async function reserved(made: Machine): Promise<void> {
  const place = (id: string, name: string) => ({ id: id.repeat(32), name, address: "10.0.0.2", portalGroupTag: 2, atMs: 1 });
  await made.write(joiningKeys.joining, { places: [place("b", "server-7"), place("a", "server-2")] });
}

async function checkJoined(made: Machine, initialCluster: string): Promise<void> {
  const config = readConfig(serverFile(made.directory));
  expect(config).toMatchObject({ clusterId: CLUSTER, name: "server-2", portalGroupTag: 2, store: { member: { name: "server-2", initialCluster, initialClusterState: "existing" } } });
  // A learner answers nobody, so its own is asked last.
  expect(config.store).toMatchObject({ endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379"] });
  expect(config.drives).toHaveLength(2);
  expect(fingerprintOf(readFileSync(join(made.directory, "tls", "ca.crt"), "utf8"))).toBe(fingerprintOf(authority.certificate));
  // Its own place is given away, nobody else's.
  expect(parseValue(joining, joiningKeys.joining, await made.read(joiningKeys.joining)).places.map(({ name }) => String(name))).toEqual(["server-7"]);
  expect(parseValue(serverRecord, keys.server("server-2"), await made.read(keys.server("server-2")))).toMatchObject({ address: "10.0.0.2" });
}
