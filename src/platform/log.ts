import pino from "pino";
import { LineWriter } from "./line-writer.ts";
import type { Log } from "./platform.ts";

export interface RealLog extends Log {
  /** Writes everything that is still queued, waiting for it. Only for the moments before the process ends. */
  flush(): void;
}

/** JSON lines on standard error, written behind the event loop's back; `pretty` makes them readable for people. */
export function realLog(options: { name: string; level: string; pretty: boolean }): RealLog {
  // pino's own destinations write synchronously, where a stuck reader would stop the event loop, or from a worker file.
  const writer = new LineWriter(2);
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
    { write: (line: string) => writer.write(options.pretty ? readable(line) : line) },
  );
  const flush = (): void => writer.flush();
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
