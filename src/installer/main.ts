import { resolve } from "node:path";
import { installUnattended } from "./unattended.ts";

/** Options of `virtustor install`. */
export interface InstallOptions {
  readonly device?: string;
  readonly confirm?: string;
  readonly keepState: boolean;
  readonly eraseVirtustor: boolean;
  readonly source?: string;
  readonly reboot: boolean;
  readonly json: boolean;
}

/** Returns the process's exit code. */
export async function runInstaller(options: InstallOptions): Promise<number> {
  const source = options.source === undefined ? null : resolve(options.source);
  if (options.device === undefined) {
    await showInstaller();
    return 0;
  }
  return installUnattended(
    {
      device: options.device,
      confirm: options.confirm ?? "",
      keepState: options.keepState,
      eraseVirtustor: options.eraseVirtustor,
      json: options.json,
      source,
      loop: false,
      reboot: options.reboot,
    },
    (line) => process.stdout.write(`${line}\n`),
  );
}

/** Shows the installer on this terminal until the administrator chooses to look around without installing. */
export async function showInstaller(): Promise<void> {
  if (!process.stdin.isTTY) throw new Error("the installer asks on a terminal; without one say --device and --confirm");
  // Ink asks once, when it is loaded; TERM=linux and serial lines have colours.
  process.env["FORCE_COLOR"] ??= "1";
  await (await import("./screens/run.ts")).runInstallerScreens();
}
