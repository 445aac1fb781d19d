import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { DISK_GRUB_CFG } from "./boot-config.ts";
import type { DriveChoice } from "./drives.ts";
import { withMedium } from "./medium.ts";
import { clearMounts } from "./mounts.ts";
import { keepStateRefusal, planInstallation, type Plan } from "./plan.ts";
import { BOTH_FIRMWARES, partitionsReady, STEPS, type BootSupport, type Step } from "./steps.ts";
import { messageOf } from "./words.ts";

/** What a person, or a program, chose and confirmed. */
export interface Choice {
  readonly drive: DriveChoice;
  readonly mode: Plan["mode"];
}

/** Where an installation is. `fraction` is of this step, null where nobody can tell. */
export interface Progress {
  readonly step: number;
  readonly of: number;
  readonly name: string;
  readonly title: string;
  readonly fraction: number | null;
}

export interface InstallationOptions {
  /** The folder with the files to install; null looks for the medium. */
  readonly source: string | null;
  readonly boot?: BootSupport;
  /** The file that becomes the drive's grub.cfg; the running medium's without it. */
  readonly grubCfg?: string;
  /** Tests stop in the middle. */
  readonly steps?: readonly Step[];
}

/** Says which step failed; the drive is not bootable then. */
export class InstallationError extends Error {
  override name = "InstallationError";
}

/** Installs the medium's system. The caller holds the lock of `installer-lock.ts`. Returns the version that was installed. */
export async function install(choice: Choice, options: InstallationOptions, report: (progress: Progress) => void): Promise<{ version: string; plan: Plan }> {
  await clearMounts();
  const plan = planInstallation(choice.drive, choice.mode);
  const grubCfg = await readGrubCfg(options.grubCfg ?? DISK_GRUB_CFG);
  const steps = options.steps ?? STEPS;
  return withMedium(options.source, async (medium) => {
    const work = { plan, medium, boot: options.boot ?? BOTH_FIRMWARES, grubCfg, machineId: randomUUID().replaceAll("-", "") };
    for (const [index, step] of steps.entries()) {
      const tell = (fraction: number | null): void => report({ step: index + 1, of: steps.length, name: step.name, title: step.title, fraction });
      tell(null);
      try {
        if (step.needsPartitions) await partitionsReady(plan);
        await step.run(work, (done, of) => tell(of === 0 ? null : done / of));
      } catch (error) {
        throw new InstallationError(`${step.title} failed. ${messageOf(error)}${index > 0 ? ` ${plan.device} does not start a system now; install again.` : ""}`, { cause: error });
      }
    }
    return { version: medium.manifest.version, plan };
  });
}

async function readGrubCfg(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    throw new Error(`${path} cannot be read, so the drive could not be made bootable: ${messageOf(error)}. Install from the installation medium; nothing was changed.`, { cause: error });
  });
}

/**
 * What has to be typed before a drive is erased: "erase", or the serial number (the device's name where there is none) when copies
 * of volumes, or the state of a server, would go with it.
 */
export function wordToType(drive: DriveChoice, mode: Plan["mode"]): string {
  if (mode === "keep-state") return "reinstall";
  return drive.holds === "data" || drive.holds === "system" ? serialOrDevice(drive) : "erase";
}

export function serialOrDevice(drive: DriveChoice): string {
  return drive.serial === "" ? drive.device : drive.serial;
}

/** What a program says on its command line instead of typing. */
export interface UnattendedRequest {
  readonly device: string;
  /** The drive's serial number, or its device name when it states none. */
  readonly confirm: string;
  readonly keepState: boolean;
  /** Needed for a drive with copies of volumes or the state of a server on it. */
  readonly eraseVirtustor: boolean;
}

/** The choice of a program, or an Error whose message says why not and what to do. Nothing was changed then. */
export function unattendedChoice(request: UnattendedRequest, drives: readonly DriveChoice[]): Choice {
  const drive = drives.find(({ device }) => device === request.device);
  if (drive === undefined) throw new Error(`There is no drive ${request.device}. There are: ${drives.map(({ device }) => device).join(", ") || "none"}.`);
  if (drive.refusal !== null) throw new Error(drive.refusal);
  if (request.confirm !== serialOrDevice(drive)) {
    throw new Error(`--confirm must be ${drive.serial === "" ? "the device's name, since the drive states no serial number" : "the serial number"} of ${drive.device} (${drive.model}); "${request.confirm}" is not. Nothing was changed.`);
  }
  if (request.keepState) {
    const refusal = keepStateRefusal(drive);
    if (refusal !== null) throw new Error(`${refusal} Nothing was changed.`);
    return { drive, mode: "keep-state" };
  }
  if ((drive.holds === "data" || drive.holds === "system") && !request.eraseVirtustor) {
    const what = drive.holds === "data" ? "a VirtuStor data drive: copies of volumes would be lost" : "a VirtuStor system: the state of a server would be lost (--keep-state keeps it)";
    throw new Error(`${drive.device} is ${what}. Say --erase-virtustor as well to erase it. Nothing was changed.`);
  }
  return { drive, mode: "erase" };
}
