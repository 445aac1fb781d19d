/** What another program of the system says: smartctl, lsblk, ip. */
export type CommandOutcome =
  | { readonly outcome: "ended"; readonly exitCode: number; readonly stdout: string }
  /** It is not installed, or may not be run. */
  | { readonly outcome: "missing" }
  /** It hung, was killed, or said too much. */
  | { readonly outcome: "failed"; readonly reason: string };

export interface Commands {
  /** Runs a program with a bare environment; never rejects. It is killed after `timeoutMs`. */
  run(argv: readonly string[], timeoutMs: number): Promise<CommandOutcome>;
}

/** Enough for any answer in JSON that is asked for. */
const OUTPUT_BYTES_MAX = 1024 * 1024;

export function realCommands(): Commands {
  return { run };
}

async function run(argv: readonly string[], timeoutMs: number): Promise<CommandOutcome> {
  const program = argv[0] === undefined ? null : Bun.which(argv[0], { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" });
  if (program === null) return { outcome: "missing" };
  try {
    const child = Bun.spawn([program, ...argv.slice(1)], {
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      maxBuffer: OUTPUT_BYTES_MAX,
    });
    const stdout = await new Response(child.stdout).text();
    const exitCode = await child.exited;
    if (child.signalCode !== null) return { outcome: "failed", reason: `${argv[0]} did not end within ${Math.round(timeoutMs / 1000)} s` };
    return { outcome: "ended", exitCode, stdout };
  } catch (error) {
    return { outcome: "failed", reason: error instanceof Error ? error.message : String(error) };
  }
}
