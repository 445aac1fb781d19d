import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CliError } from "./error.ts";

/** What `virtustor login` keeps: which cluster, how it is known again, and the session's token. For its owner's eyes alone. */
export interface KeptSession {
  readonly apis: readonly string[];
  /** PEM: connections are proved by it from now on. */
  readonly authority: string;
  readonly token: string;
  readonly name: string;
  readonly expiresAtMs: number;
}
type Environment = Readonly<Record<string, string | undefined>>;

/** null: there is none. */
export function readSession(env: Environment): KeptSession | null {
  const file = sessionFile(env);
  if (file === null) return null;
  try {
    const kept = JSON.parse(readFileSync(file, "utf8")) as Partial<KeptSession>;
    const whole = Array.isArray(kept.apis) && typeof kept.authority === "string" && typeof kept.token === "string" && typeof kept.name === "string";
    return whole ? (kept as KeptSession) : null;
  } catch {
    return null;
  }
}

/** Returns where it lies. */
export function writeSession(env: Environment, session: KeptSession): string {
  const file = sessionFile(env);
  if (file === null) throw new CliError("there is no place to keep the session: set HOME or VIRTUSTOR_SESSION");
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(`${file}.new`, `${JSON.stringify(session)}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new CliError(`the session cannot be kept in ${file}: ${(error as Error).message}`);
  }
  return file;
}

export function forgetSession(env: Environment): void {
  const file = sessionFile(env);
  if (file !== null) rmSync(file, { force: true });
}

function sessionFile(env: Environment): string | null {
  const { VIRTUSTOR_SESSION: named, XDG_CONFIG_HOME: config, HOME: home } = env;
  if (named !== undefined && named !== "") return named;
  const directory = config !== undefined && config !== "" ? config : home !== undefined && home !== "" ? join(home, ".config") : null;
  return directory === null ? null : join(directory, "virtustor", "session.json");
}
