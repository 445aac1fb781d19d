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
  if (options.device === undefined) throw new Error("say --device and --confirm");
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
