import { closeSync, openSync } from "node:fs";
import { setParentDeathSignal, parentPid } from "./ffi.ts";

/** Child processes of a supervisor. */
export interface Processes {
  /** Throws an Error that names the program when it cannot be started. */
  spawn(options: SpawnOptions): Child;
  /** What to put before a command of this program to run it again as another process. */
  selfExecutable(): string[];
  /** Calls `run` at each `signal` sent to this process, instead of what the signal does otherwise. */
  onSignal(signal: Signal, run: () => void): void;
}

export type Signal = "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGUSR1" | "SIGUSR2" | "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGQUIT";

export interface SpawnOptions {
  /** The program's path and its arguments. */
  readonly argv: readonly string[];
  /** Added to this process's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The working directory; this process's own without it. */
  readonly cwd?: string;
  readonly stdin?: "ignore";
  readonly stdout: Output;
  readonly stderr: Output;
  /**
   * Called once when the child has ended and was reaped, never inside `spawn`. Exactly one of `exitCode` and `signal` is not null.
   */
  onExit(exitCode: number | null, signal: string | null, pid: number): void;
}

/** A file to append to (made when missing, for its owner alone), or where this process writes itself. */
export type Output = "inherit" | { readonly path: string };

export interface Child {
  readonly pid: number;
  /** Ignored when the child has ended: its number may be another process's by then. */
  kill(signal: Signal): void;
}

/** Tells a child who started it, so that `dieWithParent` notices a parent that died before the call. */
const PARENT_VARIABLE = "VIRTUSTOR_PARENT";

/**
 * Threads for file operations. By default there are as many as cores, and then two slow fsyncs on a two-core server make every
 * other file operation of the process wait.
 */
const FILE_THREADS = "8";

const SIGKILL = 9;

export function realProcesses(): Processes {
  return { spawn, selfExecutable, onSignal: (signal, run) => void process.on(signal, () => run()) };
}

function spawn(options: SpawnOptions): Child {
  const opened: number[] = [];
  const output = (target: Output): "inherit" | number => {
    if (target === "inherit") return "inherit";
    const fd = openSync(target.path, "a", 0o600);
    opened.push(fd);
    return fd;
  };
  try {
    const child = Bun.spawn([...options.argv], {
      env: { ...process.env, UV_THREADPOOL_SIZE: FILE_THREADS, ...options.env, [PARENT_VARIABLE]: String(process.pid) },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdin: "ignore",
      stdout: output(options.stdout),
      stderr: output(options.stderr),
      onExit: (ended, exitCode, _signalNumber) => {
        const signal = ended.signalCode === null ? null : String(ended.signalCode);
        queueMicrotask(() => options.onExit(signal === null ? exitCode : null, signal, ended.pid));
      },
    });
    return {
      pid: child.pid,
      kill(signal) {
        if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      },
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot start ${options.argv[0] ?? "a process"}: ${why}`, { cause: error });
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function selfExecutable(): string[] {
  return isCompiled() ? [process.execPath] : [process.execPath, Bun.main];
}

/** In an executable made by `bun build --compile` the sources lie in a filesystem of its own. */
function isCompiled(): boolean {
  return Bun.main.startsWith("/$bunfs/");
}

/**
 * Called by a child at its start: from now on the kernel kills it when its parent ends, however that happens. A child that was
 * started by something else than `Processes.spawn` is bound to whoever started it.
 */
export function dieWithParent(): void {
  setParentDeathSignal(SIGKILL);
  const expected = process.env[PARENT_VARIABLE];
  // The parent may have ended between the spawn and the line above; then no signal will come.
  if (expected !== undefined && Number(expected) !== parentPid()) process.exit(0);
}
