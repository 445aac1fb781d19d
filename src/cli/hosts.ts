import type { Command } from "commander";
import type * as api from "../management/api.ts";
import { common, isFresh, run, staleWarning, type CliWorld, type CommonOptions } from "./command.ts";
import { CliError } from "./error.ts";
import { readSecret } from "./secret.ts";
import { table } from "./table.ts";

interface ChapOptions {
  readonly chap?: string;
  readonly chapSecretFile?: string;
}
const CHAP = "ask the initiator for this user and a secret (12 characters or more), which is asked for, too; USER:SECRET works but shows the secret to every user of this machine";
const CHAP_FILE = "file with the secret, - for the standard input";

export function addHostCommands(host: Command, world: CliWorld): void {
  common(host.command("create"), world)
    .description("let an initiator in")
    .argument("<name>")
    .requiredOption("--iqn <iqn...>", "the initiator's name, or several")
    .option("--chap <user>", CHAP)
    .option("--chap-secret-file <file>", CHAP_FILE)
    .action((name: string, options: CommonOptions & ChapOptions & { iqn: string[] }) =>
      run(world, options, async (client) => {
        const chap = await chapOf(options);
        const body: api.HostCreateBody = { name, iqns: options.iqn, ...(chap && { chap }) };
        const answer = await client.post<api.HostAnswer>("/hosts", body);
        return { answer, text: `created host ${hostText(answer)}` };
      }),
    );
  common(host.command("list"), world)
    .description("list all hosts")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<api.HostsAnswer>("/hosts", isFresh);
        const rows = answer.hosts.map((one) => [one.name, one.iqns.join(", "), one.chapUser ?? "-", one.mappings.map(({ lun, volume }) => `${lun}: ${volume}`).join(", ") || "-"]);
        return { answer, text: table(["name", "initiator names", "CHAP user", "LUNs"], rows, "no hosts"), warning: staleWarning(answer) };
      }),
    );
  common(host.command("set"), world)
    .description("change a host's initiator names or CHAP; sessions of a name that is taken away end")
    .argument("<name>")
    .option("--iqn <iqn...>", "all initiator names that it has from now on")
    .option("--chap <user>", CHAP)
    .option("--chap-secret-file <file>", CHAP_FILE)
    .option("--no-chap", "ask for no CHAP any more")
    .action((name: string, options: CommonOptions & Omit<ChapOptions, "chap"> & { iqn?: string[]; chap?: string | boolean }) =>
      run(world, options, async (client) => {
        const { chap: given, iqn, ...rest } = options;
        const chap = given === false ? null : await chapOf({ ...rest, ...(typeof given === "string" && { chap: given }) });
        if (iqn === undefined && chap === undefined) throw new CliError("name what to change: --iqn, --chap or --no-chap");
        const body: api.HostChangeBody = { ...(iqn && { iqns: iqn }), ...(chap !== undefined && { chap }) };
        const answer = await client.post<api.HostAnswer>(`/hosts/${encodeURIComponent(name)}`, body);
        return { answer, text: `changed host ${hostText(answer)}` };
      }),
    );
  common(host.command("delete"), world)
    .description("delete a host that has no volume mapped")
    .argument("<name>")
    .action((name: string, options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.delete<api.HostAnswer>(`/hosts/${encodeURIComponent(name)}`);
        return { answer, text: `deleted host ${answer.name}\n` };
      }),
    );
}

function hostText({ name, iqns, chapUser }: api.HostAnswer): string {
  return `${name}: ${iqns.join(", ")}, ${chapUser === null ? "without CHAP" : `with CHAP as ${chapUser}`}\n`;
}

async function chapOf({ chap, chapSecretFile }: ChapOptions): Promise<{ user: string; secret: string } | undefined> {
  if (chap === undefined) {
    if (chapSecretFile !== undefined) throw new CliError("--chap-secret-file needs --chap with the user");
    return undefined;
  }
  const colon = chap.indexOf(":");
  if (colon === 0 || chap === "") throw new CliError("--chap takes USER, or USER:SECRET");
  if (colon > 0 && chapSecretFile === undefined) return { user: chap.slice(0, colon), secret: chap.slice(colon + 1) };
  return { user: chap, secret: await readSecret(chapSecretFile, `CHAP secret of ${chap}`) };
}
