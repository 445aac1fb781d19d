import { command } from "./command.ts";
import { install, unattendedChoice, type Progress, type UnattendedRequest } from "./installation.ts";
import { withInstallerLock } from "./installer-lock.ts";
import { readMachine } from "./machine.ts";
import { isFit, preflight } from "./preflight.ts";
import type { BootSupport } from "./steps.ts";
import { messageOf } from "./words.ts";

export interface UnattendedOptions extends UnattendedRequest {
  /** One JSON object a line instead of sentences. */
  readonly json: boolean;
  readonly source: string | null;
  /** Loop devices count as drives. */
  readonly loop: boolean;
  readonly boot?: BootSupport;
  readonly grubCfg?: string;
  readonly reboot: boolean;
}

/** Installs without a person, for tests and automation. Returns the process's exit code. */
export async function installUnattended(options: UnattendedOptions, write: (line: string) => void): Promise<number> {
  const say = (object: Record<string, unknown>, sentence: string): void => write(options.json ? JSON.stringify(object) : sentence);
  try {
    const version = await withInstallerLock(async () => {
      const machine = await readMachine(options.loop ? ["disk", "loop"] : undefined);
      const checks = preflight(machine).filter(({ name }) => name !== "Drives");
      if (!isFit(checks)) throw new Error(checks.filter(({ verdict }) => verdict === "refused").map(({ sentence }) => sentence).join(" "));
      const choice = unattendedChoice(options, machine.drives);
      let last = "";
      const done = await install(choice, { source: options.source, ...(options.boot !== undefined && { boot: options.boot }), ...(options.grubCfg !== undefined && { grubCfg: options.grubCfg }) }, (progress) => {
        const line = progressLine(progress);
        if (line === last) return;
        last = line;
        say({ ...progress, fraction: progress.fraction === null ? null : Math.floor(progress.fraction * 10) / 10 }, line);
      });
      return done.version;
    });
    say({ result: "installed", device: options.device, version }, `VirtuStor ${version} is installed on ${options.device}. Remove the installation medium and restart the server.`);
    if (options.reboot) await command(["systemctl", "reboot"]);
    return 0;
  } catch (error) {
    say({ result: "refused", sentence: messageOf(error) }, `virtustor: ${messageOf(error)}`);
    return 1;
  }
}

/** Steps of ten per cent: a serial line at 9600 baud keeps up. */
function progressLine({ step, of, title, fraction }: Progress): string {
  return `${step}/${of} ${title}${fraction === null ? "" : ` ${Math.floor(fraction * 10) * 10} %`}`;
}
