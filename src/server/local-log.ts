import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { systemRunner } from "../network/command-runner.ts";

const LINES_MAX = 1000;
/** More than a thousand lines hold. */
const TAIL_BYTES = 512 * 1024;

/** The newest lines of this server: of the journal where there is one, else of the supervisor's own file. */
export async function readLog(directory: string, lines: number): Promise<string[]> {
  const count = Math.min(LINES_MAX, Math.max(1, Number.isFinite(lines) ? Math.floor(lines) : 100));
  // systemd sets it for what it starts.
  if (process.env["INVOCATION_ID"] !== undefined) {
    const journal = await systemRunner(["journalctl", "--no-pager", "--quiet", "--unit", "virtustor", "--output", "cat", "--lines", String(count)]);
    if (journal.code === 0) return journal.stdout.split("\n").filter((line) => line !== "").map(readable);
  }
  return tail(join(directory, "log", "server.log")).slice(-count).map(readable);
}

function tail(file: string): string[] {
  if (!existsSync(file)) return [];
  const fd = openSync(file, "r");
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const read = readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString("utf8", 0, read).split("\n").filter((line) => line !== "");
  } finally {
    closeSync(fd);
  }
}

/** A line of our own is JSON: its time and its sentence are what a console has room for. */
function readable(line: string): string {
  try {
    const { time, level, message, role } = JSON.parse(line) as { time?: unknown; level?: unknown; message?: unknown; role?: unknown };
    if (typeof message !== "string") return line;
    const clock = typeof time === "string" ? `${time.slice(0, 19).replace("T", " ")} ` : "";
    const worse = level === "warn" ? "warning: " : level === "error" ? "error: " : "";
    return `${clock}${worse}${typeof role === "string" && !message.includes(role) ? `${role}: ` : ""}${message}`;
  } catch {
    return line;
  }
}
