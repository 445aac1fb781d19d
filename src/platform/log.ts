import pino from "pino";
import type { Log } from "./platform.ts";

/**
 * Lines that standard error has not taken yet are kept up to this many bytes and then dropped: a log that cannot be written must
 * neither stop the event loop nor fill the memory.
 */
const UNWRITTEN_BYTES_MAX = 4 * 1024 * 1024;

export interface RealLog extends Log {
  /** Writes everything that is still queued, waiting for it. Only for the moments before the process ends. */
  flush(): void;
}

/** JSON lines on standard error, written behind the event loop's back; `pretty` makes them readable for people. */
export function realLog(options: { name: string; level: string; pretty: boolean }): RealLog {
  const destination = pino.destination({ dest: 2, sync: false, minLength: 0, maxLength: UNWRITTEN_BYTES_MAX });
  // Standard error may be gone (its reader died); that is no reason to stop serving.
  destination.on("error", () => {});
  const logger = pino(
    {
      name: options.name,
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: "message",
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    options.pretty ? { write: (line: string) => void destination.write(readable(line)) } : destination,
  );
  const flush = (): void => {
    try {
      destination.flushSync();
    } catch {
      // Nobody is left to read it.
    }
  };
  process.on("exit", flush);
  return { ...wrap(logger), flush };
}

function wrap(logger: pino.Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}

function readable(line: string): string {
  const { time, level, name, pid, message, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const fields = Object.entries(rest).map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return `${String(time)} ${String(level).padEnd(5)} ${String(name)}[${String(pid)}] ${String(message)}${fields.join("")}\n`;
}
