import { newDriveId } from "../formation/identity.ts";
import { freeDevices } from "../formation/devices.ts";
import { clusterRecord, keys, parseValue } from "../cluster/schema.ts";
import type { LocalDrive, LocalDriveBody, LocalStarted } from "../management/api/local.ts";
import { Problem } from "../management/problem.ts";
import type { Appliance } from "./appliance.ts";
import { shownDrive } from "./free-drives.ts";
import { nextDrivePort } from "./place.ts";

export async function freeDrives(appliance: Appliance): Promise<LocalDrive[]> {
  return (await freeDevices(appliance.options.deviceKinds)).map(shownDrive);
}

/** Formats a device, or a directory, and starts its storage process. Rejects with a `Problem`, and nothing has changed. */
export async function addLocalDrive(appliance: Appliance, { device, wipe }: LocalDriveBody): Promise<LocalStarted> {
  const { server, store, config } = appliance.configured();
  const { places, platform, deviceKinds } = appliance.options;
  const why = await places.unfit(device);
  if (why !== null) throw new Problem("not-possible", `${why}. Choose another drive.`);
  const choice = (await freeDevices(deviceKinds)).find((free) => free.device === device);
  if (choice !== undefined && choice.holds !== "nothing" && wipe !== device) {
    throw new Problem("not-possible", `${device} is not empty: ${choice.content.join("; ")}. All of it would be lost: give the drive's name once more to confirm that.`);
  }
  const { found } = await store.get(keys.cluster);
  if (found === null) throw new Problem("not-ready", "The cluster is still being formed. Wait a moment and try again.");
  const { id: clusterId, incarnation } = parseValue(clusterRecord, keys.cluster, found.value);
  const made = await places.format(device, { id: newDriveId(platform.random), clusterId, incarnation });
  server.addDrive({ ...made, port: nextDrivePort(config) });
  return { started: true };
}
