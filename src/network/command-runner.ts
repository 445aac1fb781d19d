/** What a program said. `code` null: it could not be started or took too long. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
/** Runs a system program; never rejects. A test gives one that runs it in a network namespace. */
export type Runner = (argv: readonly string[]) => Promise<Ran>;

/** No program used here takes longer unless the machine is in trouble. */
const TIMEOUT_MS = 30_000;

export const systemRunner: Runner = async (argv) => {
  try {
    const child = Bun.spawn([...argv], { stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: TIMEOUT_MS, env: { ...process.env, LC_ALL: "C" } });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    await child.exited;
    return { code: child.exitCode, stdout, stderr };
  } catch (error) {
    return { code: null, stdout: "", stderr: error instanceof Error ? error.message : String(error) };
  }
};
