import { Option, type Command } from "commander";
import type { AuditAnswer } from "../management/api/cluster.ts";
import type { Role, UserAnswer, UserChangeBody, UserCreateBody, UsersAnswer } from "../management/api/users.ts";
import { common, group, run, type CliWorld, type CommonOptions } from "./command.ts";
import { CliError } from "./error.ts";
import { readNewSecret } from "./secret.ts";
import { table } from "./table.ts";

const role = () => new Option("--role <role>", "a viewer sees everything and changes nothing").choices(["administrator", "viewer"]);

/** Who may do what, and who did what. */
export function addUserCommands(program: Command, world: CliWorld): void {
  const user = group(program, "user", "create, list, change and delete users", world);
  common(user.command("create"), world)
    .description("create a user")
    .argument("<name>")
    .addOption(role().default("viewer"))
    .option("--password-file <file>", "file with the password, - for the standard input; without it you are asked")
    .action((name: string, options: CommonOptions & { role: Role; passwordFile?: string }) =>
      run(world, options, async (client) => {
        const body: UserCreateBody = { name, role: options.role, password: await readNewSecret(options.passwordFile, `Password of ${name}`) };
        const answer = await client.post<UserAnswer>("/users", body);
        return { answer, text: `created user ${answer.name} (${answer.role})\n` };
      }),
    );
  common(user.command("list"), world)
    .description("list all users")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<UsersAnswer>("/users");
        const rows = answer.users.map((one) => [one.name, one.role, new Date(one.changedAtMs).toISOString()]);
        return { answer, text: table(["name", "role", "changed"], rows, "no users") };
      }),
    );
  common(user.command("set"), world)
    .description("change a user's role or password; ends the user's sessions")
    .argument("<name>")
    .addOption(role())
    .option("--password", "ask for a new password")
    .option("--password-file <file>", "file with the new password, - for the standard input")
    .action((name: string, options: CommonOptions & { role?: Role; password?: boolean; passwordFile?: string }) =>
      run(world, options, async (client) => {
        const wanted = options.password === true || options.passwordFile !== undefined;
        if (!wanted && options.role === undefined) throw new CliError("name what to change: --role, --password or --password-file");
        const password = wanted ? { password: await readNewSecret(options.passwordFile, `New password of ${name}`) } : {};
        const body: UserChangeBody = { ...(options.role && { role: options.role }), ...password };
        const answer = await client.post<UserAnswer>(`/users/${encodeURIComponent(name)}`, body);
        return { answer, text: `changed user ${answer.name} (${answer.role}); the user's sessions have ended\n` };
      }),
    );
  common(user.command("delete"), world)
    .description("delete a user; ends the user's sessions")
    .argument("<name>")
    .action((name: string, options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.delete<UserAnswer>(`/users/${encodeURIComponent(name)}`);
        return { answer, text: `deleted user ${answer.name}\n` };
      }),
    );
  common(program.command("audit"), world)
    .description("list what was changed, by whom and from where, the newest first")
    .option("--limit <count>", "at most so many", "50")
    .action((options: CommonOptions & { limit: string }) =>
      run(world, options, async (client) => {
        if (!/^[1-9][0-9]{0,4}$/.test(options.limit)) throw new CliError("--limit takes a whole number");
        const { records } = await client.get<AuditAnswer>("/audit");
        const answer: AuditAnswer = { records: records.slice(0, Number(options.limit)) };
        const rows = answer.records.map(({ atMs, who, from, what, result }) => [new Date(atMs).toISOString(), who, from, what, result]);
        return { answer, text: table(["time", "who", "from", "what", "result"], rows, "nothing was changed yet") };
      }),
    );
}
