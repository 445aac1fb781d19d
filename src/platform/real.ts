import { FATAL_EXIT_CODES, type FatalReason, type Platform } from "./platform.ts";
import { realClock } from "./clock.ts";
import { realCrypto } from "./crypto.ts";
import { realFiles, type RealFiles } from "./files.ts";
import { realLog } from "./log.ts";
import { realNetwork } from "./network.ts";
import { realRandom } from "./random.ts";

export interface RealPlatform extends Platform {
  readonly files: RealFiles;
}

/**
 * The platform of a process on Linux and Bun; made once a process. An error that nobody catches is a bug: it is logged and ends
 * the process with the exit code of "bug", and the supervisor starts it again.
 */
export function realPlatform(options: { name: string; logLevel?: string; pretty?: boolean }): RealPlatform {
  const log = realLog({ name: options.name, level: options.logLevel ?? "info", pretty: options.pretty ?? false });
  const exit = (reason: FatalReason, detail: string, fields: Record<string, unknown>): never => {
    log.error(`fatal (${reason}): ${detail}`, { reason, ...fields });
    log.flush();
    process.exit(FATAL_EXIT_CODES[reason]);
  };
  const bug = (error: unknown): void => {
    exit("bug", error instanceof Error ? error.message : String(error), { error });
  };
  process.on("uncaughtException", bug);
  process.on("unhandledRejection", bug);
  return {
    clock: realClock(),
    random: realRandom(),
    network: realNetwork(),
    files: realFiles(),
    crypto: realCrypto(),
    log,
    fatal: (reason, detail) => exit(reason, detail, {}),
  };
}
