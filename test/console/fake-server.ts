import { LocalProblem, type LocalServer } from "../../src/console/local-server.ts";
import type { NetworkDoor, NetworkLook } from "../../src/console/network-door.ts";
import type { LocalCreateBody, LocalDrive, LocalJoinBody, LocalState } from "../../src/management/api/local.ts";
import type { StatusAnswer } from "../../src/management/api.ts";
import type { NetworkConfig } from "../../src/network/model.ts";
import type { TryReport } from "../../src/network/try.ts";

export const FINGERPRINT = "B415-E3B9-CA74-7EF1-D318-8E53-C9AA-1053";
export const STARTED = { started: true } as const;

export function drive(device: string, change: Partial<LocalDrive> = {}): LocalDrive {
  return { device, model: "Samsung PM893", serial: `S${device.slice(-3)}0001`, sizeBytes: 1_920_000_000_000, rotational: false, content: "empty", isEmpty: true, ...change };
}

export function status(change: Partial<StatusAnswer> = {}, servers = 1): StatusAnswer {
  const names = Array.from({ length: servers }, (_, index) => `server-${index + 1}`);
  return {
    health: { state: "healthy", sentence: "Healthy: all data has all its copies." },
    cluster: { id: "0".repeat(32), name: "prod", targetName: "iqn.2026-01.virtustor:prod", evaluation: false },
    servers: names.map((name, index) => ({ name, up: true, address: `10.0.0.${index + 1}`, portal: `10.0.0.${index + 1}:3260`, api: `https://10.0.0.${index + 1}` })),
    drives: names.map((server, index) => ({ id: `d${index}a7f`, server, up: true, capacityBytes: 1_900_000_000_000, usedBytes: 120_000_000_000 })),
    groups: { total: 512, missing: 0, serving: 512, settling: 0, starting: 0, peering: 0, waiting: 0, unserved: 0, short: 0, recovering: 0, recoveryCopiedBytes: 0, recoveryRemainingBytes: 0 },
    capacity: { rawBytes: 0, usableBytes: 0, usableFactor2Bytes: 0, provisionedBytes: 0, provisionedRawBytes: 0, usedBytes: 0 },
    store: { answering: true, silentMs: 0 },
    alerts: [],
    scrub: { askedAtMs: null, deep: false, doneGroups: 0, groups: 0, runningDrives: 0 },
    unreadable: [],
    ...change,
  };
}

export function configured(change: Partial<LocalState> = {}): LocalState {
  return { phase: "configured", name: "server-1", address: "10.0.0.1", cluster: { name: "prod", id: "0".repeat(32), fingerprint: FINGERPRINT, evaluation: false }, version: "0.1.0", status: status({}, 3), ...change };
}

/** A server that answers what the test says, and remembers what it was asked to do. */
export class FakeServer implements LocalServer {
  now: LocalState = { phase: "unconfigured", version: "0.1.0" };
  drives: LocalDrive[] = [drive("/dev/sdb"), drive("/dev/sdc", { content: "ext4 filesystem 'backup'", isEmpty: false, rotational: true })];
  clusters: { name: string; address: string; fingerprint: string }[] = [];
  lines: string[] = ["14:02:10 This server has started"];
  readonly created: LocalCreateBody[] = [];
  readonly joined: LocalJoinBody[] = [];
  readonly did: string[] = [];
  /** The next question is refused with this sentence. */
  refuses: string | null = null;
  silent = false;

  async #answer<T>(answer: T): Promise<T> {
    if (this.silent) throw new LocalProblem(false, "VirtuStor's server process on this machine does not answer.");
    const refuses = this.refuses;
    this.refuses = null;
    if (refuses !== null) throw new LocalProblem(true, refuses);
    return answer;
  }
  async state(): Promise<LocalState> {
    if (this.silent) throw new LocalProblem(false, "VirtuStor's server process on this machine does not answer.");
    return this.now;
  }
  create(body: LocalCreateBody): ReturnType<LocalServer["create"]> {
    this.created.push(body);
    return this.#answer(STARTED);
  }
  join(body: LocalJoinBody): ReturnType<LocalServer["join"]> {
    this.joined.push(body);
    return this.#answer(body.fingerprint === undefined ? { clusterName: "prod", fingerprint: FINGERPRINT } : STARTED);
  }
  retry(): ReturnType<LocalServer["retry"]> {
    this.did.push("retry");
    return this.#answer(STARTED);
  }
  abandon(): ReturnType<LocalServer["abandon"]> {
    this.did.push("abandon");
    return this.#answer(STARTED);
  }
  freeDrives(): ReturnType<LocalServer["freeDrives"]> {
    return this.#answer({ drives: this.drives });
  }
  addDrive(body: { device: string; wipe?: string }): ReturnType<LocalServer["addDrive"]> {
    this.did.push(`add ${body.device}${body.wipe === undefined ? "" : `, wiping ${body.wipe}`}`);
    return this.#answer(STARTED);
  }
  async joinCode(): ReturnType<LocalServer["joinCode"]> {
    this.did.push("join-code");
    return this.#answer({ code: "K7QF-2M9X", expiresAtMs: Date.UTC(2026, 0, 1, 14, 2) });
  }
  setPassword(password: string): ReturnType<LocalServer["setPassword"]> {
    this.did.push(`password ${password}`);
    return this.#answer(STARTED);
  }
  restart(confirm: boolean): ReturnType<LocalServer["restart"]> {
    return this.#power("restart", confirm);
  }
  powerOff(confirm: boolean): ReturnType<LocalServer["powerOff"]> {
    return this.#power("power-off", confirm);
  }
  #power(what: string, confirm: boolean): ReturnType<LocalServer["restart"]> {
    if (!confirm) this.refuses = "While it is away 12 of 512 groups are one copy short.";
    else this.did.push(what);
    return this.#answer(STARTED);
  }
  log(lines: number): ReturnType<LocalServer["log"]> {
    return this.#answer({ lines: this.lines.slice(-lines) });
  }
  discover(): ReturnType<LocalServer["discover"]> {
    return this.#answer({ clusters: this.clusters });
  }
}

export class FakeNetwork implements NetworkDoor {
  managed = true;
  shown: NetworkLook = {
    ports: [
      { name: "eno1", mac: "52:54:00:00:00:01", driver: "ixgbe", link: "up", speed: 10_000, mtu: 1500 },
      { name: "eno2", mac: "52:54:00:00:00:02", driver: "ixgbe", link: "up", speed: 10_000, mtu: 1500 },
      { name: "eno3", mac: "52:54:00:00:00:03", driver: "tg3", link: "down", speed: null, mtu: 1500 },
    ],
    addresses: [],
    kept: null,
  };
  told: TryReport | null = null;
  readonly begun: { config: NetworkConfig; peers: readonly string[]; expectAddress: string | null }[] = [];
  async look(): Promise<NetworkLook> {
    return this.shown;
  }
  async begin(config: NetworkConfig, options: { peers: readonly string[]; expectAddress: string | null }): Promise<void> {
    this.told = null;
    this.begun.push({ config, ...options });
  }
  report(): TryReport | null {
    return this.told;
  }
}

export function report(phase: TryReport["phase"], change: Partial<TryReport> = {}): TryReport {
  return { phase, steps: [{ name: "apply", state: "done" }, { name: "link", state: phase === "kept" ? "done" : "failed" }], address: phase === "kept" ? "10.0.0.1" : null, device: "eno1", warnings: [], problem: null, ...change };
}
