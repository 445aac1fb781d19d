/** How a program ended. */
export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Written to the program's standard input; nothing without it. */
  readonly input?: string;
  /** Exit codes that are no failure; 0 alone without it. */
  readonly accept?: readonly number[];
  /** The program is ended with SIGKILL after it. */
  readonly timeoutMs?: number;
}

/** Long enough for mkfs on a slow disk; a program that takes longer hangs on a drive that does not answer. */
const TIMEOUT_MS = 300_000;
/** Of what a program said, as much as a person on a console of 25 lines can use. */
const SAID_CHARACTERS_MAX = 300;

/** A program of the system failed, or is not there. The message names it, its arguments and what it said last. */
export class CommandError extends Error {
  override name = "CommandError";
}

/** Runs a program to its end. Rejects with a `CommandError` when its exit code is not accepted, or it cannot be started. */
export async function command(argv: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const child = start(argv, options.input);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, options.timeoutMs ?? TIMEOUT_MS);
  const [exitCode, stdout, stderr] = await Promise.all([child.exited, new Response(child.stdout).text(), new Response(child.stderr).text()]);
  clearTimeout(timer);
  if (late) throw new CommandError(`"${argv.join(" ")}" did not end within ${(options.timeoutMs ?? TIMEOUT_MS) / 1000} s`);
  if (!(options.accept ?? [0]).includes(exitCode)) {
    const said = (stderr.trim() || stdout.trim()).slice(-SAID_CHARACTERS_MAX).replaceAll(/\s*\n\s*/g, "; ");
    throw new CommandError(`"${argv.join(" ")}" failed with exit code ${exitCode}${said === "" ? "" : `: ${said}`}`);
  }
  return { exitCode, stdout, stderr };
}

function start(argv: readonly string[], input: string | undefined): Bun.Subprocess<Blob | "ignore", "pipe", "pipe"> {
  try {
    return Bun.spawn([...argv], {
      // Programs answer in English, whatever the machine was set to.
      env: { ...process.env, LC_ALL: "C" },
      stdin: input === undefined ? "ignore" : new Blob([input]),
      stdout: "pipe",
      stderr: "pipe",
    });
  } catch (error) {
    throw new CommandError(`cannot run ${argv[0] ?? "a program"}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
