import { Option, type Command } from "commander";
import type * as api from "../management/api.ts";
import { acceptLoss, auditList, type AcceptLossOptions } from "./accept-loss.ts";
import { addAlertCommands } from "./alerts.ts";
import { addClusterCommands } from "./cluster.ts";
import { CliError } from "./error.ts";
import { common, group, isFresh, processWorld, quiet, run, staleWarning, type CliWorld, type CommonOptions } from "./command.ts";
import { addDriveGrowthCommands, addServerCommands } from "./growth.ts";
import { addHostCommands } from "./hosts.ts";
import { addLoginCommands } from "./login.ts";
import { addSetupCommands } from "./setup.ts";
import { parseSize, formatSize } from "./sizes.ts";
import { drivesText, statusText } from "./status.ts";
import { facts, table } from "./table.ts";
import { addUserCommands } from "./users.ts";

/** The administrator's commands: each is one or two requests to the API of a cluster. */
export function registerCliCommands(program: Command, world: CliWorld = processWorld): void {
  const volume = group(program, "volume", "create, list, show, grow and delete volumes", world);
  addVolumeCommands(volume, world);
  const host = group(program, "host", "create, list, change and delete hosts (initiators)", world);
  addHostCommands(host, world);
  addMappingCommands(program, world);
  addAlertCommands(program, world);
  addLoginCommands(program, world);
  addUserCommands(program, world);
  const drive = group(program, "drive", "list, add, drain and remove drives, and release one that failed", world);
  addDriveCommands(drive, world);
  addDriveGrowthCommands(drive, world);
  addServerCommands(program, world);
  const scrub = group(program, "scrub", "compare and verify all copies", world);
  common(scrub.command("start"), world)
    .description("look at every group now: whether its copies agree, and with --deep whether each block can be read")
    .option("--deep", "every copy reads and verifies all its blocks; takes hours")
    .action((options: CommonOptions & { deep?: boolean }) =>
      run(world, options, async (client) => {
        const answer = await client.post<api.ScrubAnswer>("/scrub", { deep: options.deep === true });
        return { answer, text: `started a ${answer.deep ? "deep" : "light"} scrub of ${answer.groups} groups; virtustor cluster status shows how far it is\n` };
      }),
    );
  const cluster = group(program, "cluster", "the cluster as a whole", world);
  addLoneCommands(cluster, world);
  addClusterCommands(program, cluster, world);
  addSetupCommands(program, world);
  common(cluster.command("status"), world)
    .description("show health, servers, drives and capacity")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<api.StatusAnswer>("/status", (status) => status.store.answering);
        return { answer, text: statusText(answer) };
      }),
    );
}

function addDriveCommands(drive: Command, world: CliWorld): void {
  common(drive.command("list"), world)
    .description("list all drives")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<api.DrivesAnswer>("/drives", isFresh);
        return { answer, text: drivesText(answer.drives), warning: staleWarning(answer) };
      }),
    );
  common(drive.command("release"), world)
    .description("start a drive again that failed, once it was looked at or replaced")
    .argument("<drive>")
    .action((id: string, options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.post<api.DriveReleaseAnswer>(`/drives/${encodeURIComponent(id)}/release`, {});
        return { answer, text: `released drive ${answer.id}: ${answer.server} starts it again${answer.serverIsUp ? "" : " as soon as it is up itself"}\n` };
      }),
    );
}

function addLoneCommands(cluster: Command, world: CliWorld): void {
  common(cluster.command("confirm-lost"), world)
    .description("on the only server that is left: say that these others are lost, so that it answers reads without them")
    .argument("<server...>")
    .action((servers: string[], options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.post<api.LoneAnswer>("/lone-survivor", { servers } satisfies api.LoneBody);
        const text = `${answer.server} answers reads without ${answer.servers.join(", ")}, and refuses writes, until most of the servers are back\n`;
        const warning = `if one of them still serves, reads here are stale${answer.others.length > 0 ? `; not named: ${answer.others.join(", ")}, so what they share is not read` : ""}`;
        return { answer, text, warning };
      }),
    );
  common(cluster.command("accept-loss"), world)
    .description("give up what only these drives hold, so that the rest goes on; without --yes it only lists what that is")
    .option("--drive <drive...>", "drives that are lost for good, by id")
    .option("--server <server...>", "servers that are lost with all their drives")
    .option("--damaged", "also without a lost drive: groups of which every copy answers and none is known to be whole")
    .option("--yes", "do it")
    .option("--confirm <cluster>", "the cluster's name, with --yes")
    .option("--confirm-down <server...>", "servers that are off for certain though nothing proves it: if one still serves, hosts see different data")
    .action((options: CommonOptions & AcceptLossOptions) => run(world, options, (client) => acceptLoss(client, options)));
  common(cluster.command("audit"), world)
    .description("list what administrators have given up")
    .action((options: CommonOptions) => run(world, options, (client) => auditList(client)));
}

function addVolumeCommands(volume: Command, world: CliWorld): void {
  common(volume.command("create"), world)
    .description("create a thin volume")
    .argument("<name>")
    .requiredOption("--size <size>", "for example 2GiB; KiB, MiB, GiB, TiB or plain bytes")
    .addOption(new Option("--factor <factor>", "replication factor: 1 keeps 2 copies, 2 keeps 3 (default: 1, in an evaluation 0)").choices(["1", "2"]))
    .action((name: string, options: CommonOptions & { size: string; factor?: "1" | "2" }) =>
      run(world, options, async (client) => {
        const body: api.VolumeCreateBody = { name, sizeBytes: parseSize(options.size), ...(options.factor !== undefined && { factor: options.factor === "2" ? 2 : 1 }) };
        const answer = await client.post<api.VolumeCreateAnswer>("/volumes", body);
        return { answer, text: `created volume ${answer.name}, ${formatSize(answer.sizeBytes)}, factor ${factorText(answer)}\n`, warning: answer.warning };
      }),
    );
  common(volume.command("list"), world)
    .description("list all volumes")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<api.VolumesAnswer>("/volumes", isFresh);
        const rows = answer.volumes.map((one) => [one.name, formatSize(one.sizeBytes), factorText(one), mappedText(one)]);
        return { answer, text: table(["name", "size", "factor", "mapped to"], rows, "no volumes"), warning: staleWarning(answer) };
      }),
    );
  common(volume.command("show"), world)
    .description("show one volume")
    .argument("<name>")
    .action((name: string, options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<api.VolumeAnswer>(`/volumes/${encodeURIComponent(name)}`);
        return { answer, text: volumeText(answer) };
      }),
    );
  common(volume.command("grow"), world)
    .description("make a volume larger; its hosts see it when they look for it again")
    .argument("<name>")
    .requiredOption("--size <size>", "the new size, as for create")
    .action((name: string, options: CommonOptions & { size: string }) =>
      run(world, options, async (client) => {
        const body: api.VolumeChangeBody = { sizeBytes: parseSize(options.size) };
        const answer = await client.post<api.VolumeCreateAnswer>(`/volumes/${encodeURIComponent(name)}`, body);
        return { answer, text: `volume ${answer.name} has ${formatSize(answer.sizeBytes)} now; let its hosts rescan it\n`, warning: answer.warning };
      }),
    );
  common(volume.command("delete"), world)
    .description("delete a volume that is mapped to no host, with all its data")
    .argument("<name>")
    .action((name: string, options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.delete<api.VolumeAnswer>(`/volumes/${encodeURIComponent(name)}`);
        return { answer, text: `deleted volume ${answer.name}\n` };
      }),
    );
}

function addMappingCommands(program: Command, world: CliWorld): void {
  common(quiet(program.command("map"), world), world)
    .description("show a volume to a host as a LUN")
    .argument("<volume>")
    .argument("<host>")
    .option("--lun <lun>", "the LUN; default is the host's lowest free one")
    .action((volume: string, host: string, options: CommonOptions & { lun?: string }) =>
      run(world, options, async (client) => {
        const lun = options.lun === undefined ? {} : { lun: parseLun(options.lun) };
        const body: api.MappingCreateBody = { volume, host, ...lun };
        const answer = await client.post<api.MappingCreateAnswer>("/mappings", body);
        const login = answer.chapUser === null ? "" : `the host logs in with CHAP as ${answer.chapUser}\n`;
        return { answer, text: `mapped volume ${volume} to host ${host} as LUN ${answer.lun}\n${answer.urls.map((url) => `${url}\n`).join("")}${login}` };
      }),
    );
  common(quiet(program.command("unmap"), world), world)
    .description("take a volume away from a host")
    .argument("<volume>")
    .argument("<host>")
    .action((volume: string, host: string, options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.delete<api.MappingAnswer>(`/mappings/${encodeURIComponent(volume)}/${encodeURIComponent(host)}`);
        return { answer, text: `unmapped volume ${answer.volume} from host ${answer.host} (LUN ${answer.lun})\n` };
      }),
    );
}

function volumeText(volume: api.VolumeAnswer): string {
  return facts([
    ["name", volume.name],
    ["size", `${formatSize(volume.sizeBytes)} (${volume.sizeBytes} bytes)`],
    ["replication", `factor ${factorText(volume)}`],
    ["mapped to", mappedText(volume)],
    ["created", new Date(volume.createdAtMs).toISOString()],
    ["id", String(volume.id)],
  ]);
}

function factorText({ factor, copies }: api.VolumeAnswer): string {
  return `${factor} (${copies === 1 ? "one copy" : `${copies} copies`})`;
}

function mappedText({ mappings }: api.VolumeAnswer): string {
  return mappings.map(({ host, lun }) => `${host} as LUN ${lun}`).join(", ") || "-";
}

function parseLun(text: string): number {
  if (!/^[0-9]{1,3}$/.test(text)) throw new CliError("--lun takes a whole number from 0 to 255");
  return Number(text);
}
