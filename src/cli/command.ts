import type { Command } from "commander";
import type { Source } from "../management/api.ts";
import { ApiClient, findCluster } from "./client.ts";

/** What a command touches besides the network and a trial's directory. */
export interface CliWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  out(text: string): void;
  err(text: string): void;
  /** Sets the exit code of the process. */
  exitCode(code: number): void;
}

export interface CommonOptions {
  readonly dir?: string;
  readonly json?: boolean;
}

/** A command's work: asks the API, and returns its answer and the text for people. */
export type Work = (client: ApiClient) => Promise<{ readonly answer: object; readonly text: string; readonly warning?: string | undefined }>;

export const processWorld: CliWorld = {
  env: process.env,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  exitCode: (code) => void (process.exitCode = code),
};

/** Runs one command: its answer to the standard output, what went wrong as one line to the standard error. */
export function run(world: CliWorld, options: CommonOptions, ask: Work): Promise<void> {
  return work(world, options, async () => await ask(new ApiClient(await findCluster(options.dir, world.env))));
}

/** The same for one that finds its cluster by itself. */
export async function work(world: CliWorld, options: CommonOptions, done: () => ReturnType<Work>): Promise<void> {
  try {
    const { answer, text, warning } = await done();
    world.out(options.json === true ? `${JSON.stringify(answer)}\n` : text);
    if (warning !== undefined && options.json !== true) world.err(line(`warning: ${warning}`));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    world.err(line(error.message));
    world.exitCode(1);
  }
}

/** One line whatever the text holds: part of it came over the network. */
function line(text: string): string {
  return `virtustor: ${text.replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim()}\n`;
}

/** A command that only holds others. */
export function group(program: Command, name: string, description: string, world: CliWorld): Command {
  return quiet(program.command(name).description(description), world);
}

/** Wrong usage is one line too. Commands made from this one inherit it. */
export function quiet(command: Command, world: CliWorld): Command {
  return command.showSuggestionAfterError(false).configureOutput({
    writeErr: (text) => world.err(text),
    outputError: (text, write) => write(line(text.replace(/^error: /, ""))),
  });
}

/** A command that asks a cluster. */
export function common(command: Command, world: CliWorld): Command {
  return quiet(command, world).option("--dir <directory>", "a trial's directory; without it the cluster of VIRTUSTOR_API and VIRTUSTOR_TOKEN, or the one logged in to").option("--json", "print the API's answer as one JSON object");
}

export function isFresh(answer: { readonly source: Source }): boolean {
  return answer.source === "store";
}

export function staleWarning(answer: { readonly source: Source }): string | undefined {
  return isFresh(answer) ? undefined : "the cluster store does not answer; this is what the server last knew";
}
