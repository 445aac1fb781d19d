import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ServerName } from "../base/ids.ts";
import { newClusterId, newDriveId, secretFiles } from "../formation/identity.ts";
import { askCluster } from "../formation/ask.ts";
import { SERVER_FILE, serverFile } from "../formation/configure.ts";
import { createSteps } from "../formation/create.ts";
import { joinSteps, keepAdmission } from "../formation/join.ts";
import { makeJoinCode, type CodeWorld, type ShownCode } from "../formation/join-code.ts";
import { SetupFile, type Plan } from "../formation/setup-file.ts";
import { runSteps, type Progress } from "../formation/steps.ts";
import type { FormationWorld, ServerPorts } from "../formation/world.ts";
import type { DrivePlaces } from "../formation/places.ts";
import type { LocalCreateBody, LocalJoinBody, LocalJoinSeen, LocalStarted } from "../management/api/local.ts";
import { Problem } from "../management/problem.ts";
import { realPasswords } from "../platform/passwords.ts";
import type { Processes } from "../platform/process.ts";
import type { RealPlatform } from "../platform/real.ts";
import { realSealer } from "../platform/seal.ts";
import type { ClusterStore } from "../platform/store.ts";
import { etcdAddress, EtcdMembership } from "../platform/store/etcd-membership.ts";
import type { ServerConfig } from "../role/config.ts";
import { openStore, readConfig } from "../role/context.ts";
import { startServer, type RunningServer } from "../server.ts";
import { FreeDriveList } from "./free-drives.ts";
import { checkCreate, checkJoin } from "./setup-checks.ts";
import { SetupPage } from "./setup-page.ts";

export interface ApplianceOptions {
  readonly platform: RealPlatform;
  readonly processes: Processes;
  readonly directory: string;
  readonly ports: ServerPorts;
  readonly places: DrivePlaces;
  /** lsblk's words for what may become a drive; a test adds "loop". */
  readonly deviceKinds?: readonly string[];
  /** Where the page of an unconfigured server is served. */
  readonly setupAddress: string;
}
/** A server of the cluster, as this process runs it. */
export interface Running {
  readonly server: RunningServer;
  readonly store: ClusterStore;
  readonly config: ServerConfig;
  readonly code: CodeWorld;
}

/**
 * A server from the moment on when it belongs to no cluster. The same process forms or joins one, and then is that server.
 *
 *     unconfigured --create--> forming --+
 *          |                             +--all steps done--> configured
 *          +---------join----> joining --+
 *
 * server.json makes it configured; setup.json says how far a formation has come, also when the configuration is there already.
 */
export class Appliance {
  readonly options: ApplianceOptions;
  readonly setup: SetupFile;
  readonly #page: SetupPage;
  readonly #world: FormationWorld;
  #running: Running | null = null;
  #free: FreeDriveList | null = null;
  #progress: Progress | null = null;
  #error: string | null = null;
  /** A formation is at work, or is being decided: one at a time. */
  #busy = false;
  /** Of the plan that this process has carried out; the store knows it, too. */
  clusterName: string | null = null;

  constructor(options: ApplianceOptions) {
    this.options = options;
    const { directory, platform } = options;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.setup = SetupFile.open(directory, () => newClusterId(platform.random));
    this.#page = new SetupPage(options);
    this.#world = {
      platform,
      directory,
      ports: options.ports,
      places: options.places,
      start: () => this.#start(),
      membership: (endpoints, tls) => new EtcdMembership(platform, endpoints.map(etcdAddress), tls),
    };
  }

  get phase(): "unconfigured" | "forming" | "joining" | "configured" {
    if (this.setup.plan !== null) return this.setup.plan.kind === "create" ? "forming" : "joining";
    return existsSync(serverFile(this.options.directory)) ? "configured" : "unconfigured";
  }
  get running(): Running | null {
    return this.#running;
  }
  get progress(): Progress | null {
    return this.#progress;
  }
  get error(): string | null {
    return this.#error;
  }

  /** Goes on where this server was: waits for its administrator, goes on with a formation, or serves. */
  async begin(): Promise<void> {
    const { platform, directory } = this.options;
    platform.log.info("phase: state", { directory, phase: this.phase });
    if (this.phase === "configured") return void (await this.#start());
    await this.#page.open();
    if (this.setup.plan !== null) void this.#work();
  }

  async stop(): Promise<void> {
    await this.#page.close();
    this.#free?.close();
    await this.#running?.server.stop();
  }

  /** Decides on a cluster of this server. Rejects with a `Problem`, and nothing has changed; what follows is told by the state. */
  create(body: LocalCreateBody): Promise<LocalStarted> {
    return this.#decide(async () => {
      await checkCreate(body, this.options.places);
      const { platform } = this.options;
      // A join that was cut short may have left another cluster's.
      this.#forgetSecrets();
      this.setup.begin({
        kind: "create",
        clusterId: newClusterId(platform.random),
        clusterName: body.clusterName,
        serverName: body.serverName,
        address: body.address,
        portalGroupTag: 1,
        drives: this.#planned(body.drives),
        formedAtMs: platform.clock.wallMs(),
        evaluation: body.evaluation,
        loneSurvivor: body.loneSurvivor ?? "confirm",
        passwordHash: await realPasswords().hash(body.adminPassword),
      });
      void this.#work();
      return { started: true };
    });
  }

  /** Without a fingerprint only asks. With one, which somebody has confirmed, decides on it. */
  join(body: LocalJoinBody): Promise<LocalStarted | LocalJoinSeen> {
    return this.#decide(async () => {
      await checkJoin(body, this.options.places);
      const { platform, ports, directory } = this.options;
      // The cluster must know this server again after a power cut, so its id is kept before it is told.
      this.setup.begin(null);
      const joiner = { id: this.setup.id, name: body.serverName, address: body.ownAddress, commit: body.fingerprint !== undefined };
      const cluster = await askCluster(platform, { address: body.address, apiPort: ports.api, code: body.code, joiner, ...(body.fingerprint === undefined ? {} : { fingerprint: body.fingerprint }) });
      if (cluster.admission === null) return { clusterName: cluster.name, fingerprint: cluster.fingerprint };
      // What is left of a cluster that this server was in before.
      this.#forgetSecrets();
      await keepAdmission(directory, cluster.admission, { name: body.serverName, address: body.ownAddress });
      const { clusterId, incarnation, endpoints, portalGroupTag } = cluster.admission;
      this.setup.begin({
        kind: "join", clusterId, clusterName: cluster.name, serverName: body.serverName, address: body.ownAddress, portalGroupTag, drives: this.#planned(body.drives), incarnation, endpoints, initialCluster: null,
      });
      void this.#work();
      return { started: true };
    });
  }

  /** After a step has failed: the same plan again. */
  retry(): LocalStarted {
    if (this.setup.plan === null || this.#busy) throw new Problem("not-possible", "Nothing has stopped that could go on.");
    void this.#work();
    return { started: true };
  }

  /** After a step has failed: back to the beginning. Nothing of a cluster is lost, since this server is in none. */
  async abandon(): Promise<LocalStarted> {
    const { directory } = this.options;
    if (this.setup.plan === null || this.#busy) throw new Problem("not-possible", "Nothing has stopped that could be abandoned.");
    if (existsSync(serverFile(directory))) throw new Problem("not-possible", "This server is part of its cluster already: let it go on, or install it anew.");
    for (const drive of this.setup.plan.drives) await this.options.places.release(drive.place);
    this.#forgetSecrets();
    this.setup.finish();
    this.#error = null;
    this.#progress = null;
    await this.#page.open();
    return { started: true };
  }

  /** A new join code of the cluster that this server is in. */
  async joinCode(): Promise<ShownCode> {
    return await makeJoinCode(this.configured().code);
  }

  configured(): Running {
    if (this.#running === null || this.setup.plan !== null) throw new Problem("not-possible", "This server belongs to no cluster yet. Create one or join one first.");
    return this.#running;
  }

  async #decide<T>(run: () => Promise<T>): Promise<T> {
    if (this.phase === "configured") throw new Problem("not-possible", "This server belongs to a cluster already.");
    if (this.#busy || this.setup.plan !== null) throw new Problem("busy", "This server's setup is under way already; its state says how far it has come.");
    this.#busy = true;
    try {
      return await run();
    } finally {
      this.#busy = false;
    }
  }

  #planned(places: readonly string[]): Plan["drives"] {
    return places.map((place) => ({ place, id: newDriveId(this.options.platform.random), formed: null }));
  }

  /** An administrator has removed this server from its cluster: it waits for another one. */
  async #removed(): Promise<void> {
    this.#free?.close();
    this.#running = null;
    this.clusterName = null;
    this.options.platform.log.warn("This server was removed from its cluster; it can be set up again on its console");
    await this.#page.open();
  }

  #forgetSecrets(): void {
    const { directory } = this.options;
    const { clusterKey, token, tls } = secretFiles(directory);
    for (const path of [clusterKey, token, tls, join(directory, "etcd")]) rmSync(path, { recursive: true, force: true });
  }

  /** The next servers come right away. Without one the administrator asks for it. */
  async #firstCode(): Promise<void> {
    if (this.#running === null) return;
    await makeJoinCode(this.#running.code).catch((error: Error) => this.options.platform.log.warn("No join code could be made yet", { error: error.message }));
  }

  async #work(): Promise<void> {
    const { log } = this.options.platform;
    const { plan } = this.setup;
    if (plan === null) return;
    this.#busy = true;
    this.#error = null;
    this.clusterName = plan.clusterName;
    try {
      const steps = plan.kind === "create" ? createSteps(this.#world, this.setup) : joinSteps(this.#world, this.setup);
      await runSteps(this.setup, steps, (progress) => {
        if (progress.detail !== this.#progress?.detail) log.info(`setup: ${progress.detail}`, { step: progress.name, number: progress.number, of: progress.of });
        this.#progress = progress;
      });
      await this.#start();
      if (plan.kind === "create") await this.#firstCode();
      this.setup.finish();
      this.#progress = null;
      log.info(plan.kind === "create" ? "The cluster is formed" : "This server has joined the cluster", { cluster: plan.clusterName, server: plan.serverName });
    } catch (error) {
      this.#error = error instanceof Error ? error.message : String(error);
      log.error(`setup stopped: ${this.#error}`, { step: this.#progress?.name ?? "" });
    } finally {
      this.#busy = false;
    }
  }

  async #start(): Promise<ClusterStore> {
    if (this.#running !== null) return this.#running.store;
    await this.#page.close();
    const { platform, processes, directory } = this.options;
    const configFile = join(directory, SERVER_FILE);
    const config = readConfig(configFile);
    const store = await openStore(platform, config);
    const code: CodeWorld = { store, clock: platform.clock, random: platform.random, sealer: realSealer(readFileSync(config.clusterKeyFile)) };
    const { started, server } = startServer({ platform, processes, store, config, configFile, removed: () => void this.#removed() });
    this.#running = { server, store, config, code };
    this.#free = new FreeDriveList(platform, store, config.name as ServerName, this.options.deviceKinds);
    // What keeps a server from starting is the administrator's to mend: a line, not a stack.
    started.catch((error: Error) => platform.fatal("configuration", error.message));
    return store;
  }
}
