import type { Checked, CheckedDrive, SmartWord } from "../../cluster/alerting.ts";
import type { ClusterMap } from "../../cluster/map.ts";
import { keys } from "../../cluster/schema.ts";
import { certificateExpiry } from "../../platform/certificate-expiry.ts";
import type { Commands } from "../../platform/command.ts";
import type { Files, Platform, Timer } from "../../platform/platform.ts";
import type { ClusterStore } from "../../platform/store.ts";
import { countIoErrors, deviceUnder, meanLatencyMs, parseBlockStat, type BlockCounts, type Device } from "./devices.ts";
import { parseNics, type NicCount } from "./nics.ts";
import { RoleStarts } from "./roles.ts";
import { parseSmart } from "./smart.ts";

/** Between two looks at everything that is cheap. */
export const MEASURE_MS = 10_000;
/** Drives answer SMART between their requests, and it changes slowly. */
const SMART_EVERY = 60;
const DEVICES_EVERY = 6;
const CERTIFICATES_EVERY = 60;
const SMARTCTL_MS = 60_000;
const COMMAND_MS = 10_000;
const IO_ERROR_WINDOW_SECONDS = 3_600;
/** Less than this may be the store's own delay of a watch, and is nobody's concern. */
const AHEAD_MS_MIN = 100;
const TEXT_BYTES_MAX = 256 * 1024;

export interface MeasurerWorld {
  readonly platform: Platform;
  readonly store: ClusterStore;
  readonly commands: Commands;
  readonly map: ClusterMap;
  readonly server: string;
  readonly version: string;
  /** The server's own directory: run/pids.json is in it, and its file system is the system's. */
  readonly directory: string;
  /** Where its certificates lie. */
  readonly tlsDirectory: string;
  readonly address: string;
  /** As configured now; drives may be added while the server runs. */
  readonly drives: () => readonly { readonly directory: string; readonly port: number }[];
  /** Roles that should run here. */
  readonly roles: () => readonly string[];
  /** Whether this server has a member of the cluster store. */
  readonly member: () => boolean;
  /** Takes what was measured to the store. */
  readonly publish: (checked: Checked) => void;
}

/** Looks at one server every few seconds: its processes, drives, links, partition, certificates, clock. What fails is not known. */
export class Measurer {
  readonly #world: MeasurerWorld;
  readonly #roles = new RoleStarts();
  readonly #ahead = new Map<string, number>();
  readonly #devices = new Map<string, Device | null>();
  readonly #smart = new Map<string, SmartWord | null>();
  #readingSmart = false;
  #blocks = new Map<string, BlockCounts>();
  #nicCounts = new Map<string, NicCount>();
  #certificates: Checked["certificates"] = [];
  #rounds = 0;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(world: MeasurerWorld) {
    this.#world = world;
  }

  start(): void {
    void this.#round();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Another server's record has been heard that was sent at `sentAtMs` by its clock: that clock is ahead by the difference at least. */
  heard(server: string, sentAtMs: number): void {
    if (server !== this.#world.server) this.#ahead.set(server, sentAtMs - this.#world.platform.clock.wallMs());
  }

  async #round(): Promise<void> {
    const { clock, log } = this.#world.platform;
    try {
      const checked = await this.measure();
      if (!this.#stopped) this.#world.publish(checked);
    } catch (error) {
      log.warn("This server could not be looked at; it is tried again", { error: error instanceof Error ? error.message : String(error) });
    }
    if (!this.#stopped) this.#timer = clock.timer(MEASURE_MS, () => void this.#round());
  }

  async measure(): Promise<Checked> {
    const { platform, server, version, directory, map, member, roles: expected } = this.#world;
    const round = this.#rounds++;
    if (round % CERTIFICATES_EVERY === 0) this.#certificates = await this.#readCertificates();
    const roles = this.#roles.look((await readText(platform.files, `${directory}/run/pids.json`)) ?? "", expected(), platform.clock.nowMs()) ?? [];
    const drives = await this.#measureDrives(round);
    const nics = await this.#measureNics();
    const system = await platform.files.space(directory).catch(() => null);
    const storeMs = await this.#storeMs();
    const ahead = Object.fromEntries([...this.#ahead].filter(([name, ms]) => ms > AHEAD_MS_MIN && [...map.servers.keys()].some((one) => one === name)));
    return {
      server,
      ahead,
      version,
      roles,
      drives,
      nics,
      system,
      certificates: this.#certificates,
      member: member() ? { running: roles.some(({ role, running }) => role === "etcd" && running) } : null,
      storeMs,
      // Last: what lies between this and the sending hides as much of a clock that is ahead.
      sentAtMs: platform.clock.wallMs(),
    };
  }

  async #storeMs(): Promise<number | null> {
    const { store, platform } = this.#world;
    const startMs = platform.clock.nowMs();
    const answered = await store.get(keys.cluster).then(
      () => true,
      () => false,
    );
    return answered ? Math.round(platform.clock.nowMs() - startMs) : null;
  }

  // ---- drives ----

  async #measureDrives(round: number): Promise<CheckedDrive[]> {
    const { commands, drives, map, server, platform } = this.#world;
    const configured = drives();
    for (const { directory } of configured) if (round % DEVICES_EVERY === 0 || !this.#devices.has(directory)) this.#devices.set(directory, await deviceUnder(commands, directory));
    const devices = new Map([...this.#devices.values()].flatMap((device) => (device === null ? [] : [[device.path, device] as const])));
    if (round % SMART_EVERY === 0) void this.#readAllSmart([...devices.values()].filter(({ disk }) => disk));
    const counts = new Map<string, BlockCounts>();
    for (const { path, name } of devices.values()) {
      const now = parseBlockStat((await readText(platform.files, `/sys/class/block/${name}/stat`)) ?? "");
      if (now !== null) counts.set(path, now);
    }
    const errors = devices.size === 0 ? null : await this.#ioErrors();
    const measured = configured.map(({ directory, port }): CheckedDrive => {
      const device = this.#devices.get(directory) ?? null;
      const id = [...map.drives.values()].find((drive) => drive.server === server && drive.port === port)?.id ?? null;
      return {
        path: directory,
        id,
        device: device?.path ?? null,
        model: device?.model ?? null,
        serial: device?.serial ?? null,
        rotational: device?.rotational ?? null,
        latencyMs: device === null ? null : meanLatencyMs(this.#blocks.get(device.path), counts.get(device.path) ?? null),
        ioErrors: device === null || errors === null ? null : (errors.get(device.name) ?? 0),
        smart: device === null ? null : (this.#smart.get(device.path) ?? null),
      };
    });
    this.#blocks = counts;
    return measured;
  }

  /** Beside everything else: a drive that is failing may take its minute to answer. One after the other, so that not all drives pause at once. */
  async #readAllSmart(devices: readonly Device[]): Promise<void> {
    if (this.#readingSmart) return;
    this.#readingSmart = true;
    for (const { path } of devices) if (!this.#stopped) this.#smart.set(path, await this.#readSmart(path));
    this.#readingSmart = false;
  }

  async #readSmart(device: string): Promise<SmartWord | null> {
    // Its exit code is a set of bits on the drive's health; the text says all of them.
    const answer = await this.#world.commands.run(["smartctl", "--json=c", "-a", device], SMARTCTL_MS);
    return answer.outcome === "ended" ? parseSmart(answer.stdout) : null;
  }

  async #ioErrors(): Promise<Map<string, number> | null> {
    const answer = await this.#world.commands.run(["dmesg", "--raw", "--level=emerg,alert,crit,err"], COMMAND_MS);
    if (answer.outcome !== "ended" || answer.exitCode !== 0) return null;
    return countIoErrors(answer.stdout, this.#world.platform.clock.nowMs() / 1000 - IO_ERROR_WINDOW_SECONDS);
  }

  // ---- links, certificates ----

  async #measureNics(): Promise<Checked["nics"]> {
    const { commands, address } = this.#world;
    const answer = await commands.run(["ip", "-j", "-s", "address"], COMMAND_MS);
    const told = answer.outcome === "ended" ? parseNics(answer.stdout, address, this.#nicCounts) : null;
    if (told === null) return [];
    this.#nicCounts = told.counts;
    return told.nics.filter(({ used }) => used);
  }

  async #readCertificates(): Promise<Checked["certificates"]> {
    const { platform, tlsDirectory } = this.#world;
    const found: { name: string; notAfterMs: number }[] = [];
    for (const name of ["server.crt", "ca.crt"]) {
      const pem = await readText(platform.files, `${tlsDirectory}/${name}`);
      const notAfterMs = pem === null ? null : certificateExpiry(pem);
      if (notAfterMs !== null) found.push({ name, notAfterMs });
    }
    return found;
  }
}

/** Null when it cannot be read. */
async function readText(files: Files, path: string): Promise<string | null> {
  try {
    const file = await files.open(path, {});
    try {
      const buffer = new Uint8Array(TEXT_BYTES_MAX);
      const length = await file.read(buffer, 0, buffer.length, 0);
      return new TextDecoder().decode(buffer.subarray(0, length));
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
}
