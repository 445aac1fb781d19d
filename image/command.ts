/** Runs a program and waits for it. Throws with the end of what it said when it fails. */
export async function run(argv: readonly string[], options: { cwd?: string; input?: string | Blob; env?: Record<string, string> } = {}): Promise<string> {
  const child = Bun.spawn([...argv], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, LC_ALL: "C", ...options.env },
    stdin: options.input === undefined ? "ignore" : new Blob([options.input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(`${argv.join(" ").slice(0, 300)} ended with ${code}:\n${`${out}${err}`.slice(-ERROR_CHARACTERS_MAX)}`);
  return out;
}

/** The reason stands at the end; a whole log of apt would bury it. */
const ERROR_CHARACTERS_MAX = 4_000;

/** A shell's pipeline, all of whose parts must succeed. Arguments are $1, $2 and so on: nothing is pasted into the text. */
export function shell(script: string, args: readonly string[] = [], options: { cwd?: string } = {}): Promise<string> {
  return run(["bash", "-euo", "pipefail", "-c", script, "bash", ...args], options);
}
