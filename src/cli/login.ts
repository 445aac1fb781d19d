import type { Command } from "commander";
import type { StatusAnswer } from "../management/api.ts";
import type { LoginBody, LoginTokenAnswer, LogoutAnswer, PasswordBody, SessionAnswer } from "../management/api/users.ts";
import { ApiClient, baseUrl, readTrial, reasonOf } from "./client.ts";
import { common, run, work, type CliWorld, type CommonOptions } from "./command.ts";
import { CliError } from "./error.ts";
import { confirmed, readNewSecret, readSecret } from "./secret.ts";
import { forgetSession, readSession, writeSession } from "./session-file.ts";
import { authorityShown, authorityWithFingerprint } from "./trust.ts";

interface LoginOptions extends CommonOptions {
  readonly name: string;
  readonly fingerprint?: string;
  readonly passwordFile?: string;
}

/** Who asks: a session that is kept between commands, instead of the cluster's token. */
export function addLoginCommands(program: Command, world: CliWorld): void {
  common(program.command("login"), world)
    .description("begin a session with a cluster, and keep it for the commands that follow")
    .argument("[address]", "of any server; not needed with --dir")
    .option("--name <user>", "the user", "admin")
    .option("--fingerprint <fingerprint>", "the cluster's, as every console shows it; without it you are asked to compare")
    .option("--password-file <file>", "the password's file, - for the standard input; without it you are asked")
    .action((address: string | undefined, options: LoginOptions) => work(world, options, () => login(world, address, options)));
  common(program.command("logout"), world)
    .description("end the session that was kept")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const kept = readSession(world.env);
        if (kept === null) throw new CliError("there is no session");
        forgetSession(world.env);
        const answer = await client.post<LogoutAnswer>("/logout", {});
        return { answer, text: `logged out ${kept.name}\n`, warning: answer.ended ? undefined : "the cluster store did not confirm it: the session's token, which is forgotten here, stays of use until its time is over" };
      }),
    );
  common(program.command("whoami"), world)
    .description("show as whom the commands ask")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<SessionAnswer>("/session");
        const until = answer.expiresAtMs === null ? "" : `, until ${new Date(answer.expiresAtMs).toISOString()}`;
        return { answer, text: `${answer.name} (${answer.role})${until}\n` };
      }),
    );
  common(program.command("password"), world)
    .description("change your own password; ends your other sessions")
    .option("--old-file <file>", "file with the old one, - for the standard input")
    .option("--new-file <file>", "file with the new one")
    .action((options: CommonOptions & { oldFile?: string; newFile?: string }) =>
      run(world, options, async (client) => {
        const kept = readSession(world.env);
        if (kept === null) throw new CliError("log in first: the cluster's token is no user");
        const body: PasswordBody = { old: await readSecret(options.oldFile, "Old password"), new: await readNewSecret(options.newFile, "New password") };
        const { token, ...answer } = await client.post<LoginTokenAnswer>("/session/password", body);
        writeSession(world.env, { ...kept, token, expiresAtMs: answer.expiresAtMs ?? 0 });
        return { answer, text: `changed the password of ${answer.name}\n` };
      }),
    );
}

async function login(world: CliWorld, address: string | undefined, options: LoginOptions) {
  const { apis, authority } = await whichCluster(world, address, options);
  const body: LoginBody = { name: options.name, password: await readSecret(options.passwordFile, `Password of ${options.name}`) };
  const { token, ...answer } = await new ApiClient({ apis, token: "", trust: { authority } }).post<LoginTokenAnswer>("/login", body);
  const status = await new ApiClient({ apis, token, trust: { authority } }).get<StatusAnswer>("/status");
  // Any server answers for the cluster, also when the one that was named is off.
  const all = [...new Set([...apis, ...status.servers.map(({ api }) => baseUrl(api))])];
  const file = writeSession(world.env, { apis: all, authority, token, name: answer.name, expiresAtMs: answer.expiresAtMs ?? 0 });
  return { answer, text: `logged in to ${status.cluster?.name ?? "the cluster"} as ${answer.name} (${answer.role}); the session is in ${file}\n` };
}

async function whichCluster(world: CliWorld, address: string | undefined, { dir, fingerprint }: LoginOptions): Promise<{ apis: readonly string[]; authority: string }> {
  if (dir !== undefined) {
    const { apis, trust } = await readTrial(dir);
    if (!("authority" in trust)) throw new CliError("the trial names no certificate");
    return { apis, authority: trust.authority };
  }
  if (address === undefined) throw new CliError("which cluster? Give the address of one of its servers");
  const api = baseUrl(address);
  const failed = (error: unknown): never => {
    throw new CliError(`${api}: ${reasonOf(error)}`);
  };
  if (fingerprint !== undefined) return { apis: [api], authority: await authorityWithFingerprint(api, fingerprint).catch(failed) };
  const shown = await authorityShown(api).catch(failed);
  const kept = readSession(world.env);
  if (kept?.authority === shown.authority) return { apis: [api], authority: shown.authority };
  world.err(`The cluster at ${api} shows the fingerprint\n  ${shown.fingerprint}\n`);
  if (!(await confirmed("Do the servers' consoles show the same? (yes/no)"))) throw new CliError("not logged in: compare the fingerprint with a server's console, and give it with --fingerprint");
  return { apis: [api], authority: shown.authority };
}
