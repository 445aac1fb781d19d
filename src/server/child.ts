import { assert } from "../base/assert.ts";
import type { Clock, Log, Timer } from "../platform/platform.ts";
import type { Child, Processes } from "../platform/process.ts";

/** After a child's end it is started again after this time, which doubles with each end up to the maximum. */
export const BACK_OFF_MIN_MS = 100;
export const BACK_OFF_MAX_MS = 10_000;
/** A child that lived this long is taken to be well: its next end is the first again. */
const STEADY_AFTER_MS = 30_000;
/** An orderly stop takes at most this long, then the child is killed: what it had acknowledged is safe anyway. */
export const STOP_WITHIN_MS = 10_000;

/**
 *                    ended, fate "restart"
 *      +---------+ ----------------------> +---------+
 *   -> | running |                         | waiting |
 *      +---------+ <---------------------- +---------+
 *        |     |         back-off is over       |
 *   stop |     | ended, fate "stay-down"        | stop
 *        v     v                                v
 *   stopping -> down <--------------------------+
 *         ended
 */
export type ChildState = "running" | "waiting" | "stopping" | "down";

export interface ChildOptions {
  /** Its name in logs, "storage-0". */
  readonly role: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Its standard output and error are appended here. */
  readonly logPath: string;
  /** Called once for each process, right after wait() has returned for it and before it is started again. */
  ended(pid: number, exitCode: number | null, signal: string | null): "restart" | "stay-down";
  /** The set of running processes has changed. */
  changed(): void;
}

/** One child process that is kept running. */
export class SupervisedChild {
  readonly role: string;
  readonly #options: ChildOptions;
  readonly #processes: Processes;
  readonly #clock: Clock;
  readonly #log: Log;
  #state: ChildState = "down";
  #process: Child | null = null;
  #startedAtMs = 0;
  #backOffMs = BACK_OFF_MIN_MS;
  #timer: Timer | null = null;
  #stopped: (() => void)[] = [];

  constructor(options: ChildOptions, world: { processes: Processes; clock: Clock; log: Log }) {
    this.role = options.role;
    this.#options = options;
    this.#processes = world.processes;
    this.#clock = world.clock;
    this.#log = world.log.child({ role: options.role });
  }

  get state(): ChildState {
    return this.#state;
  }

  /** Of the running process; null when there is none. */
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  start(): void {
    assert(this.#state === "down" || this.#state === "waiting", "a child is started once at a time");
    try {
      this.#process = this.#processes.spawn({
        argv: this.#options.argv,
        env: this.#options.env,
        stdin: "ignore",
        stdout: { path: this.#options.logPath },
        stderr: { path: this.#options.logPath },
        onExit: (exitCode, signal, pid) => this.#ended(exitCode, signal, pid),
      });
    } catch (error) {
      this.#log.error(`${this.role} could not be started: ${(error as Error).message}`);
      return this.#wait();
    }
    this.#state = "running";
    this.#startedAtMs = this.#clock.nowMs();
    this.#log.info(`${this.role} started`, { childPid: this.#process.pid });
    this.#options.changed();
  }

  /** SIGTERM, and SIGKILL when that does not end it in time. Resolves when it was reaped. Idempotent. */
  stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    const running = this.#process;
    if (running === null) {
      this.#state = "down";
      return Promise.resolve();
    }
    if (this.#state === "running") {
      this.#state = "stopping";
      running.kill("SIGTERM");
      this.#timer = this.#clock.timer(STOP_WITHIN_MS, () => {
        this.#log.warn(`${this.role} did not stop within ${STOP_WITHIN_MS / 1000} s and is killed`);
        running.kill("SIGKILL");
      });
    }
    return new Promise((resolve) => this.#stopped.push(resolve));
  }

  #ended(exitCode: number | null, signal: string | null, pid: number): void {
    assert(this.#process?.pid === pid, "a child that ended is the one that was started");
    this.#process = null;
    const fate = this.#options.ended(pid, exitCode, signal);
    const how = signal === null ? `exit code ${exitCode}` : signal;
    if (this.#state === "stopping") {
      this.#timer?.cancel();
      this.#state = "down";
      this.#log.info(`${this.role} has stopped (${how})`);
    } else if (fate === "stay-down") {
      this.#state = "down";
      this.#log.error(`${this.role} ended (${how}) and is not started again`);
    } else {
      if (this.#clock.nowMs() - this.#startedAtMs >= STEADY_AFTER_MS) this.#backOffMs = BACK_OFF_MIN_MS;
      this.#log.warn(`${this.role} ended (${how}) and is started again in ${this.#backOffMs} ms`, { childPid: pid });
      this.#wait();
    }
    this.#options.changed();
    for (const resolve of this.#stopped.splice(0)) resolve();
  }

  #wait(): void {
    this.#state = "waiting";
    this.#timer = this.#clock.timer(this.#backOffMs, () => this.start());
    this.#backOffMs = Math.min(this.#backOffMs * 2, BACK_OFF_MAX_MS);
  }
}
