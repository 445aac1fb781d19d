import { Option, type Command } from "commander";
import type { ClusterAnswer, JoinCodeAnswer, SettingsAnswer, SettingsBody, VersionAnswer } from "../management/api/cluster.ts";
import type { SessionsAnswer } from "../management/api/sessions.ts";
import { common, group, run, type CliWorld, type CommonOptions } from "./command.ts";
import { CliError } from "./error.ts";
import { facts, table } from "./table.ts";

interface SetOptions extends CommonOptions {
  readonly loneSurvivor?: "confirm" | "auto";
  readonly strictReads?: "on" | "off";
  readonly recreateDriveAfter?: string;
  readonly recreateServerAfter?: string;
}

/** What the cluster is, how it is set, and who uses it. */
export function addClusterCommands(program: Command, cluster: Command, world: CliWorld): void {
  common(cluster.command("show"), world)
    .description("show name, id, fingerprint and the version of the server that answers")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const [shown, { version }] = [await client.get<ClusterAnswer>("/cluster"), await client.get<VersionAnswer>("/version")];
        const answer = { ...shown, version };
        const text = facts([["name", shown.name], ["id", shown.id], ["fingerprint", shown.fingerprint ?? "-"], ["evaluation", shown.evaluation ? "yes: one copy of everything" : "no"], ["version", version]]);
        return { answer, text };
      }),
    );
  common(cluster.command("join-code"), world)
    .description("make a code with which another server joins; the one before ends")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.post<JoinCodeAnswer>("/cluster/join-code", {});
        return { answer, text: `${answer.code}, until ${new Date(answer.expiresAtMs).toISOString()}\n` };
      }),
    );
  common(program.command("sessions"), world)
    .description("list which initiators are logged in, and where")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<SessionsAnswer>("/sessions");
        const rows = answer.sessions.map((one) => [one.host, one.initiator, one.server, one.address || "-", new Date(one.sinceMs).toISOString(), one.luns.join(" ") || "-"]);
        const warning = answer.silent.length > 0 ? `the portal of ${answer.silent.join(", ")} has not said lately who is logged in there` : undefined;
        return { answer, text: table(["host", "initiator", "server", "from", "since", "LUNs"], rows, "no sessions"), warning };
      }),
    );
  const settings = group(program, "settings", "how the cluster decides", world);
  common(settings.command("show"), world)
    .description("show all settings")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<SettingsAnswer>("/settings");
        return { answer, text: settingsText(answer) };
      }),
    );
  addSetOptions(common(settings.command("set"), world), world);
  // As it was called first.
  addSetOptions(common(cluster.command("set"), world), world);
}

function addSetOptions(command: Command, world: CliWorld): void {
  command
    .description("change a setting of the cluster")
    .addOption(new Option("--lone-survivor <how>", "whether a server that hears nobody serves reads only when confirm-lost says so, or by itself after 30 s").choices(["confirm", "auto"]))
    .addOption(new Option("--strict-reads <how>", "whether each read waits for a round trip to all copies: on for servers that are virtual machines, which may be paused").choices(["on", "off"]))
    .option("--recreate-drive-after <seconds>", "how long a silent drive may be away before its copies are made anew elsewhere")
    .option("--recreate-server-after <seconds>", "the same for a whole server")
    .action((options: SetOptions) =>
      run(world, options, async (client) => {
        const body = bodyOf(options);
        if (Object.keys(body).length === 0) throw new CliError("name a setting to change: --lone-survivor, --strict-reads, --recreate-drive-after or --recreate-server-after");
        const answer = await client.post<SettingsAnswer>("/settings", body);
        const warning = answer.loneSurvivor === "auto" ? "a server that is merely cut off then answers stale reads after 30 s" : undefined;
        return { answer, text: settingsText(answer), warning };
      }),
    );
}

function bodyOf({ loneSurvivor, strictReads, recreateDriveAfter, recreateServerAfter }: SetOptions): SettingsBody {
  return {
    ...(loneSurvivor && { loneSurvivor }),
    ...(strictReads && { strictReads: strictReads === "on" }),
    ...(recreateDriveAfter !== undefined && { recreateDriveAfterMs: milliseconds("--recreate-drive-after", recreateDriveAfter) }),
    ...(recreateServerAfter !== undefined && { recreateServerAfterMs: milliseconds("--recreate-server-after", recreateServerAfter) }),
  };
}

function milliseconds(option: string, text: string): number {
  if (!/^[0-9]{1,7}$/.test(text)) throw new CliError(`${option} takes a whole number of seconds`);
  return Number(text) * 1000;
}

function settingsText(answer: SettingsAnswer): string {
  return facts([
    ["lone-survivor", answer.loneSurvivor],
    ["strict-reads", answer.strictReads ? "on" : "off"],
    ["recreate-drive-after", `${answer.recreateDriveAfterMs / 1000} s`],
    ["recreate-server-after", `${answer.recreateServerAfterMs / 1000} s`],
  ]);
}
