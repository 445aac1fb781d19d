import type { Command } from "commander";
import type { DriveDetailAnswer } from "../management/api.ts";
import type { DriveAddAnswer, RecoveryAnswer, RemoveAnswer, ServerDetailAnswer, ServersAnswer } from "../management/api/servers.ts";
import { common, group, quiet, run, type CliWorld, type CommonOptions } from "./command.ts";
import { formatSize } from "./sizes.ts";
import { table } from "./table.ts";

interface RemoveOptions extends CommonOptions {
  readonly lost?: boolean;
  readonly confirm?: string;
}

/** `drive add`, `drain`, `undrain`, `remove`, beside those that list and release. */
export function addDriveGrowthCommands(drive: Command, world: CliWorld): void {
  common(drive.command("add"), world)
    .description("add a drive to a running server: a device, or in a trial a directory; data moves to it")
    .argument("<server>")
    .argument("<place>", "/dev/NAME, or a directory")
    .option("--wipe", "what is on it is lost")
    .action((server: string, place: string, options: CommonOptions & { wipe?: boolean }) =>
      run(world, options, async (client) => {
        const body = { ...(place.startsWith("/dev/") ? { device: place } : { directory: place }), ...(options.wipe === true && { wipe: place }) };
        const answer = await client.post<DriveAddAnswer>(`/servers/${encodeURIComponent(server)}/drives`, body);
        return { answer, text: `${answer.server} has got ${answer.device} as drive ${answer.id}; data moves to it, virtustor recovery shows how far it is\n` };
      }),
    );
  common(drive.command("drain"), world)
    .description("make all copies of a drive elsewhere, to remove it then; refused when the rest cannot hold them")
    .argument("<drive>")
    .action((id: string, options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.post<DriveDetailAnswer>(`/drives/${encodeURIComponent(id)}/drain`, {});
        return { answer, text: `drive ${id} of ${answer.server} is being drained: ${drainText(answer.drain)}\n` };
      }),
    );
  common(drive.command("undrain"), world)
    .description("take a drain back: the drive stays, and data moves to it again")
    .argument("<drive>")
    .action((id: string, options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.delete<DriveDetailAnswer>(`/drives/${encodeURIComponent(id)}/drain`);
        return { answer, text: `drive ${id} of ${answer.server} is not drained any more\n` };
      }),
    );
  removeOptions(common(drive.command("remove"), world), "drive", "its id")
    .description("take a drive out of the cluster that was drained, or with --lost one that does not come back")
    .argument("<drive>")
    .action((id: string, options: RemoveOptions) =>
      run(world, options, async (client) => {
        const answer = await client.post<RemoveAnswer>(`/drives/${encodeURIComponent(id)}/remove`, { confirm: options.confirm ?? id, lost: options.lost === true });
        return { answer, text: `drive ${answer.removed} is no longer of the cluster; what lies on it was left there\n` };
      }),
    );
}

export function addServerCommands(program: Command, world: CliWorld): void {
  // The command that runs a server has these below it.
  const present = program.commands.find((command) => command.name() === "server");
  const server = present ? quiet(present, world) : group(program, "server", "list servers, drain and remove them", world);
  common(server.command("list"), world)
    .description("list all servers")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<ServersAnswer>("/servers");
        return { answer, text: serversText(answer.servers) };
      }),
    );
  common(server.command("drain"), world)
    .description("make all copies of a server's drives on other servers; refused when they cannot hold them")
    .argument("<server>")
    .action((name: string, options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.post<ServerDetailAnswer>(`/servers/${encodeURIComponent(name)}/drain`, {});
        return { answer, text: `${name} is being drained: ${drainText(answer.drain)}\n` };
      }),
    );
  common(server.command("undrain"), world)
    .description("take a drain back: the server stays, and data moves to it again")
    .argument("<server>")
    .action((name: string, options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.delete<ServerDetailAnswer>(`/servers/${encodeURIComponent(name)}/drain`);
        return { answer, text: `${name} is not drained any more\n` };
      }),
    );
  removeOptions(common(server.command("remove"), world), "server", "its name")
    .description("take a server out of the cluster that was drained, or with --lost one that does not come back")
    .argument("<server>")
    .action((name: string, options: RemoveOptions) =>
      run(world, options, async (client) => {
        const answer = await client.post<RemoveAnswer>(`/servers/${encodeURIComponent(name)}/remove`, { confirm: options.confirm ?? name, lost: options.lost === true });
        return { answer, text: `${answer.removed} is no longer of the cluster\n` };
      }),
    );
  common(program.command("recovery"), world)
    .description("show the copies that are being made")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<RecoveryAnswer>("/recovery");
        const { groups, remainingBytes, secondsLeft } = answer;
        return { answer, text: groups === 0 ? "no copies are being made\n" : `${groups} groups, ${formatSize(remainingBytes)} left${secondsLeft === null ? "" : `, ${timeText(secondsLeft)}`}\n` };
      }),
    );
}

/** A typed command is a confirmation of its own; scripts may say it once more. */
function removeOptions(command: Command, what: string, name: string): Command {
  return command.option("--lost", `the ${what} does not come back: it is not waited for`).option("--confirm <text>", `${name} once more`);
}

function serversText(servers: readonly ServerDetailAnswer[]): string {
  const rows = servers.map((server) => [
    server.name,
    server.up ? "up" : "DOWN",
    server.address,
    String(server.drives.length),
    formatSize(server.capacityBytes),
    formatSize(server.usedBytes),
    server.storeMember ? "yes" : "no",
    server.drain === null ? "-" : drainText(server.drain),
  ]);
  return table(["server", "state", "address", "drives", "size", "used", "store", "drain"], rows, "no servers");
}

export function drainText(drain: DriveDetailAnswer["drain"]): string {
  if (drain === null) return "-";
  if (drain.groupsLeft === 0) return "drained, holds nothing";
  return `${drain.groupsLeft} groups, ${formatSize(drain.bytesLeft)} left${drain.secondsLeft === null ? "" : `, ${timeText(drain.secondsLeft)}`}`;
}

function timeText(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
