import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configured, FakeServer, status } from "./fake-server.ts";
import { serveFake } from "./fake-socket.ts";
import { Vt } from "./vt.ts";

const TOP = join(import.meta.dir, "../..");

interface Console {
  readonly vt: Vt;
  /** Everything that it wrote, in pieces as they came. */
  readonly pieces: string[];
  type(bytes: string): void;
  shows(wanted: string): Promise<void>;
  /** SIGTERM; its exit code. */
  end(): Promise<number>;
}

let folder: string;
let server: FakeServer;
let served: ReturnType<typeof serveFake>;
let running: Console[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "virtustor-console-"));
  server = new FakeServer();
  served = serveFake(server, join(folder, "local.sock"));
  running = [];
});
afterEach(async () => {
  for (const one of running) await one.end();
  await served.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A real process on a real pseudo terminal. */
function start(rows: number): Console {
  const vt = new Vt(80, rows);
  const pieces: string[] = [];
  const decoder = new TextDecoder();
  const child = Bun.spawn([Bun.argv[0] ?? "bun", join(TOP, "src/main.ts"), "console", "--no-network", "--socket", join(folder, "local.sock"), "--state", folder, "--run", folder], {
    env: { PATH: process.env["PATH"] ?? "", TERM: "linux" },
    terminal: {
      cols: 80,
      rows,
      data(_, bytes) {
        const piece = decoder.decode(bytes, { stream: true });
        pieces.push(piece);
        vt.write(piece);
      },
    },
  });
  const console: Console = {
    vt,
    pieces,
    type: (bytes) => void child.terminal?.write(bytes),
    async shows(wanted) {
      for (let tries = 0; !vt.text.includes(wanted); tries++) {
        if (tries > 2000) throw new Error(`the terminal does not show ${wanted}:\n${vt.text}`);
        await Bun.sleep(10);
      }
    },
    async end() {
      child.kill("SIGTERM");
      const code = await child.exited;
      child.terminal?.close();
      return code;
    },
  };
  running.push(console);
  return console;
}

describe("the console on a terminal", () => {
  test("takes keys, writes nothing but ASCII, places and colours, and leaves a clear screen with a cursor", async () => {
    const one = start(25);
    await one.shows("This server is not set up yet");
    expect(one.vt.lines[0]).toMatch(/^ VirtuStor set-up: welcome/);
    expect(one.vt.lines[24]).toMatch(/^ Up\/Down: move/);
    // As fast as somebody who pastes: each key meets the screen that the one before has made.
    one.type("\x1b[B\r\x15storage-7");
    await one.shows("storage-7");
    one.type("\x1b");
    await one.shows("This server is not set up yet");
    expect(one.vt.strange).toEqual([]);
    expect(await one.end()).toBe(0);
    expect(one.vt.text.trim()).toBe("");
    expect(one.pieces.join("")).toEndWith("\x1b[?25h");
  });

  test("draws all of it anew with Ctrl-L, and else only what has changed", async () => {
    const one = start(24);
    await one.shows("This server is not set up yet");
    const before = one.pieces.length;
    one.type("\x1b[B");
    await one.shows("> Join a cluster");
    const change = one.pieces.slice(before).join("");
    expect(change).not.toContain("\x1b[2J");
    expect(change).not.toContain("VirtuStor set-up");
    one.vt.write("\x1b[1;1Ha line of the kernel");
    one.type("\x0c");
    await one.shows(" VirtuStor set-up: welcome");
    expect(one.vt.text).not.toContain("kernel");
  });

  test("two at once show the same server", async () => {
    const [screen, serial] = [start(25), start(24)];
    await Promise.all([screen.shows("This server is not set up yet"), serial.shows("This server is not set up yet")]);
    server.now = { phase: "forming", version: "0.1.0", name: "server-1", step: { name: "store", number: 2, of: 4, detail: "The store starts." } };
    await Promise.all([screen.shows("The store starts."), serial.shows("The store starts.")]);
    server.now = configured({ status: status({}, 3) });
    await Promise.all([screen.shows("K7QF-2M9X"), serial.shows("K7QF-2M9X")]);
    serial.type("\r");
    await serial.shows("Servers");
    expect(screen.vt.text).toContain("K7QF-2M9X");
  });
});
