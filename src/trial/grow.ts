import { isIPv4 } from "node:net";
import { ApiClient } from "../cli/client.ts";
import type { DrivesAnswer } from "../management/api.ts";
import type { DriveAddAnswer } from "../management/api/servers.ts";
import { pause } from "./processes.ts";
import { saveReport } from "./report.ts";
import { assertServerPortsFree, startOne, type TrialWorld } from "./run.ts";
import type { Trial } from "./state.ts";

/** A storage process starts and registers within a second or two. */
const REGISTERED_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 250;

/** A drive more for a running server: a directory in the trial's own. Returns its id when it has registered. */
export async function addDrive(world: TrialWorld, trial: Trial, name: string): Promise<{ readonly id: string; readonly directory: string }> {
  const server = trial.server(name);
  const client = new ApiClient({ apis: trial.servers.map((one) => trial.apiOf(one)), token: trial.token, trust: { authority: trial.accessTo(server).authority } });
  const directory = trial.addDrive(server);
  const body = { directory, wipe: directory, capacityBytes: trial.options.driveSizeBytes };
  const { id } = await client.post<DriveAddAnswer>(`/servers/${name}/drives`, body);
  world.progress(`${name} has got ${directory}`);
  const deadlineMs = world.platform.clock.nowMs() + REGISTERED_WITHIN_MS;
  for (;;) {
    const { drives } = await client.get<DrivesAnswer>("/drives");
    if (id !== null && drives.some((drive) => drive.id === id && drive.state === "up")) break;
    if (world.platform.clock.nowMs() > deadlineMs) throw new Error(`the drive ${directory} of ${name} does not register; see ${server.directory}/log/`);
    await pause(world.platform.clock, LOOK_EVERY_MS);
  }
  saveReport(trial);
  return { id: id ?? "", directory };
}

/** A server more, with as many drives as the others. Returns its name when its API answers. */
export async function addServer(world: TrialWorld, trial: Trial, given: string | undefined): Promise<string> {
  const address = given ?? nextAddress(trial.options.addresses);
  if (!isIPv4(address)) throw new Error(`--address: ${address} is not an IPv4 address`);
  if (trial.options.addresses.includes(address)) throw new Error(`--address: ${address} is, or was, that of another server of this trial`);
  if (trial.options.netns.length > 0) throw new Error("a trial in network namespaces gets no more servers");
  await assertServerPortsFree(trial.options, [{ address, netns: null }]);
  const name = trial.addServer(world.platform, address);
  await trial.form(world.platform, world.progress);
  await startOne(world, trial, name);
  return name;
}

/** The one after the last: "127.0.0.4". */
function nextAddress(addresses: readonly string[]): string {
  const parts = (addresses.at(-1) ?? "127.0.0.0").split(".").map(Number);
  return [...parts.slice(0, 3), (parts[3] ?? 0) + 1].join(".");
}
