import type { Command } from "commander";
import type { ProblemAnswer } from "../management/api.ts";
import { group, work, type CliWorld } from "./command.ts";
import { CliError } from "./error.ts";

const SOCKET = "/run/virtustor/local.sock";
/** Formatting a drive takes the longest. */
const ANSWER_WITHIN_MS = 120_000;

/** `virtustor setup ...`: what the console of this machine does, for scripts and for those who are root on it. */
export function addSetupCommands(program: Command, world: CliWorld): void {
  const setup = group(program, "setup", "set this machine up, over its server's local socket (root)", world);
  const command = (name: string, description: string, method: "GET" | "POST"): void => {
    setup
      .command(name)
      .description(description)
      .option("--socket <path>", "the local socket", SOCKET)
      .option("--body <json>", "what to ask for, as the local socket takes it", "{}")
      .action(({ socket, body }: { socket: string; body: string }) => work(world, { json: true }, async () => ({ answer: await askLocal(socket, method, name, body), text: "" })));
  };
  command("state", "how far this server is, as JSON", "GET");
  command("drives", "drives that are free, as JSON", "GET");
  command("create", "create a cluster (--body: clusterName, serverName, address, adminPassword, evaluation, drives)", "POST");
  command("join", "join one (--body: address, code, serverName, ownAddress, drives; with fingerprint it is done)", "POST");
  command("retry", "go on with a setup that stopped", "POST");
  command("abandon", "forget a setup that stopped", "POST");
  command("join-code", "make a new join code", "POST");
}

async function askLocal(socket: string, method: "GET" | "POST", path: string, body: string): Promise<object> {
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(`http://localhost/local/${path}`, { unix: socket, method, body: method === "GET" ? null : body, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    answer = await response.json();
  } catch (error) {
    throw new CliError(`this machine's server does not answer on ${socket} (${error instanceof Error ? error.message : String(error)})`);
  }
  if (!response.ok) throw new CliError((answer as Partial<ProblemAnswer> | null)?.detail ?? `it was refused with status ${response.status}`);
  return answer as object;
}
