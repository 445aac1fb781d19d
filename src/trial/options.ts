import { isIPv4 } from "node:net";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** What a trial is made of; saved in its directory, and the same for its whole life. */
export interface TrialOptions {
  readonly servers: number;
  /** Of each server. */
  readonly drives: number;
  /** Nominal size of each drive. */
  readonly driveSizeBytes: number;
  /** One for each server, all different. */
  readonly addresses: readonly string[];
  /** Network namespaces, one for each server, or none. */
  readonly netns: readonly string[];
  readonly store: "sqlite" | "etcd";
  readonly processes: "separate" | "shared";
  readonly portBase: number;
  /** One copy of everything, on one server or more. */
  readonly evaluation: boolean;
}

/** As commander gives them: text, absent when the administrator did not say. */
export interface TrialArguments {
  readonly servers?: string;
  readonly drives?: string;
  readonly driveSize?: string;
  readonly addresses?: string;
  readonly netns?: string;
  readonly store?: string;
  readonly processes?: string;
  readonly portBase?: string;
  readonly evaluation?: boolean;
}

export const PORTS_OF_A_TRIAL = 50;
const FIRST_DRIVE_PORT = 10;
/** With one server no data has a second copy, which only an evaluation does without. */
const SERVERS_MIN = 2;
const SERVERS_MAX = 16;
export const DRIVES_MAX = PORTS_OF_A_TRIAL - FIRST_DRIVE_PORT;
const MIB = 2 ** 20;
/** Room for the journal of a trial's drive and a few extents. */
const DRIVE_BYTES_MIN = 256 * MIB;

const DEFAULTS: TrialOptions = {
  servers: 3,
  drives: 2,
  driveSizeBytes: 8 * 2 ** 30,
  addresses: ["127.0.0.1", "127.0.0.2", "127.0.0.3"],
  netns: [],
  store: "sqlite",
  processes: "separate",
  portBase: 3260,
  evaluation: false,
};

export function trialDirectory(given: string | undefined): string {
  return given === undefined ? join(homedir(), ".virtustor-trial") : resolve(given);
}

/** The ports of every server: portal, API, its etcd member's two, then one for each drive; all in [base, base + 50). */
export function portsOf(portBase: number): { portal: number; api: number; etcdClient: number; etcdPeer: number; drive(index: number): number } {
  return {
    portal: portBase,
    api: portBase + 1,
    etcdClient: portBase + 2,
    etcdPeer: portBase + 3,
    drive: (index) => portBase + FIRST_DRIVE_PORT + index,
  };
}

/** What the administrator said; the keys that were not said are absent. Throws an Error that names the option. */
export function parseArguments(given: TrialArguments): Partial<TrialOptions> {
  const parsed: { -readonly [K in keyof TrialOptions]?: TrialOptions[K] } = {};
  if (given.servers !== undefined) parsed.servers = wholeNumber("--servers", given.servers, 1, SERVERS_MAX);
  if (given.drives !== undefined) parsed.drives = wholeNumber("--drives", given.drives, 1, DRIVES_MAX);
  if (given.driveSize !== undefined) parsed.driveSizeBytes = driveSize(given.driveSize);
  if (given.addresses !== undefined) parsed.addresses = list("--addresses", given.addresses);
  if (given.netns !== undefined) parsed.netns = list("--netns", given.netns);
  if (given.store !== undefined) parsed.store = oneOf("--store", given.store, ["sqlite", "etcd"]);
  if (given.processes !== undefined) parsed.processes = oneOf("--processes", given.processes, ["separate", "shared"]);
  if (given.portBase !== undefined) parsed.portBase = wholeNumber("--port-base", given.portBase, 1, 65536 - PORTS_OF_A_TRIAL);
  if (given.evaluation !== undefined) parsed.evaluation = given.evaluation;
  return parsed;
}

/** The options of a new trial. Throws an Error that says which do not fit together. */
export function withDefaults(given: Partial<TrialOptions>): TrialOptions {
  const servers = given.servers ?? given.addresses?.length ?? given.netns?.length ?? DEFAULTS.servers;
  const addresses = given.addresses ?? Array.from({ length: servers }, (_, index) => `127.0.0.${index + 1}`);
  const options: TrialOptions = { ...DEFAULTS, ...given, servers, addresses };
  if (servers < SERVERS_MIN && !options.evaluation) throw new Error("a trial has at least two servers: every piece of data lies on two; --evaluation makes one copy of everything");
  for (const address of addresses) {
    if (!isIPv4(address)) throw new Error(`--addresses: ${address} is not an IPv4 address`);
  }
  if (addresses.length !== servers) throw new Error(`--addresses names ${addresses.length}, --servers asks for ${servers}`);
  if (new Set(addresses).size !== addresses.length) throw new Error("--addresses names an address twice; every server uses the same ports");
  if (options.netns.length !== 0 && options.netns.length !== servers) {
    throw new Error(`--netns names ${options.netns.length} namespaces, there are ${servers} servers`);
  }
  return options;
}

/** Throws when `given` asks an existing trial for something else than it is. */
export function assertSameOptions(saved: TrialOptions, given: Partial<TrialOptions>): void {
  for (const key of Object.keys(given) as (keyof TrialOptions)[]) {
    if (JSON.stringify(saved[key]) === JSON.stringify(given[key])) continue;
    throw new Error(
      `the trial in this directory was made with ${NAMES[key]} ${String(saved[key]) || "(none)"}, not ${String(given[key])}; wipe it first, or use another --dir`,
    );
  }
}

const NAMES: Record<keyof TrialOptions, string> = {
  servers: "--servers",
  drives: "--drives",
  driveSizeBytes: "--drive-size (bytes)",
  addresses: "--addresses",
  netns: "--netns",
  store: "--store",
  processes: "--processes",
  portBase: "--port-base",
  evaluation: "--evaluation",
};

function driveSize(text: string): number {
  const match = /^(\d+)\s*(MiB|GiB|TiB)$/i.exec(text.trim());
  const factor = { mib: MIB, gib: 1024 * MIB, tib: 1024 * 1024 * MIB }[match?.[2]?.toLowerCase() ?? ""];
  const bytes = Number(match?.[1]) * (factor ?? Number.NaN);
  if (!Number.isSafeInteger(bytes)) throw new Error(`--drive-size: "${text}" is not a size such as 8GiB or 512MiB`);
  if (bytes < DRIVE_BYTES_MIN) throw new Error("--drive-size: a drive of a trial has at least 256MiB");
  return bytes;
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new Error(`${option}: "${text}" is not a whole number from ${min} to ${max}`);
  return value;
}

function list(option: string, text: string): string[] {
  const items = text.split(",").map((item) => item.trim());
  if (items.some((item) => item === "" || item.startsWith("-"))) throw new Error(`${option}: "${text}" is not a list such as A,B,C`);
  return items;
}

function oneOf<T extends string>(option: string, text: string, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw new Error(`${option}: "${text}" is not one of ${choices.join(", ")}`);
  return choice;
}
