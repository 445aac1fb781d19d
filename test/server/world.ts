import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, Log, Platform } from "../../src/platform/platform.ts";
import type { Child, Processes, Signal, SpawnOptions } from "../../src/platform/process.ts";
import { MemoryStore } from "../../src/platform/store/memory.ts";
import type { ServerConfig } from "../../src/role/config.ts";

/** Time that moves only when a test says so. */
export class ManualClock implements Clock {
  #nowMs = 1_000;
  #timers: { atMs: number; run: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }
  timer(delayMs: number, run: () => void): { cancel(): void } {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }
  soon(run: () => void): void {
    this.timer(0, run);
  }
  /** Runs what falls due, in order, with all that follows from it at once. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      await settle();
      const [next] = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = untilMs;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

export interface FakeChild extends Child {
  readonly options: SpawnOptions;
  readonly signals: Signal[];
  end(exitCode: number | null, signal?: string): void;
}

/** Children that end when a test says so; SIGTERM ends them unless they are stubborn, SIGKILL always. */
export class FakeProcesses implements Processes {
  readonly started: FakeChild[] = [];
  stubborn = false;
  refuse: Error | null = null;

  spawn(options: SpawnOptions): Child {
    if (this.refuse !== null) throw this.refuse;
    let ended = false;
    const child: FakeChild = {
      pid: 100_000_000 + this.started.length,
      options,
      signals: [],
      kill: (signal) => {
        child.signals.push(signal);
        if (signal === "SIGKILL" || !this.stubborn) queueMicrotask(() => child.end(null, signal));
      },
      end: (exitCode, signal) => {
        if (ended) return;
        ended = true;
        options.onExit(exitCode, signal ?? null, child.pid);
      },
    };
    this.started.push(child);
    return child;
  }
  selfExecutable(): string[] {
    return ["virtustor"];
  }
  onSignal(): void {}

  /** Of this role, the newest last. */
  of(role: string): FakeChild[] {
    const words = role.split("-");
    return this.started.filter(({ options: { argv } }) => argv.includes(words[0] ?? "") && (words[1] === undefined || argv.at(-1) === words[1]));
  }
}

export class FatalError extends Error {}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

export interface TestWorld {
  readonly directory: string;
  readonly clock: ManualClock;
  readonly processes: FakeProcesses;
  readonly memory: MemoryStore;
  readonly log: Log;
  readonly platform: Platform;
  readonly config: ServerConfig;
  dispose(): void;
}

export function testWorld(): TestWorld {
  const directory = mkdtempSync(join(tmpdir(), "virtustor-server-"));
  const clock = new ManualClock();
  let id = 0;
  const platform = {
    clock,
    log: silent,
    random: { float: () => 0.5, bytes: (count: number) => new Uint8Array(count).fill(7), id: () => ++id },
    fatal: (reason: string, detail: string): never => {
      throw new FatalError(`${reason}: ${detail}`);
    },
  } as unknown as Platform;
  const config: ServerConfig = {
    clusterId: "0123456789abcdef0123456789abcdef",
    name: "server1",
    directory,
    address: "127.0.0.1",
    portalPort: 3260,
    apiPort: 3261,
    portalGroupTag: 1,
    clusterKeyFile: join(directory, "key"),
    tokenFile: join(directory, "token"), tlsDirectory: join(directory, "tls"),
    drives: [0, 1].map((index) => ({ directory: join(directory, `drive-${index}`), port: 3270 + index })),
    store: { kind: "embedded", socket: join(directory, "store.sock") },
    processes: "separate",
    logLevel: "info",
  };
  return {
    directory, clock, processes: new FakeProcesses(), memory: new MemoryStore({ clock }), log: silent, platform, config,
    dispose: () => rmSync(directory, { recursive: true, force: true }),
  };
}
