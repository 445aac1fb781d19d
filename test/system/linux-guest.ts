import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BOOT_WITHIN_MS = 240_000;
const SOCKET_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 100;
/** What the agent's own `timeout -k 5` leaves unfinished is a guest that hangs. */
const ANSWER_GRACE_MS = 30_000;

export interface GuestOutcome {
  readonly code: number;
  /** Standard output and errors. */
  readonly out: string;
}

/** A Linux kernel in QEMU, without KVM, whose agent runs shell scripts that come over a serial port. */
export class LinuxGuest {
  readonly #directory: string;
  readonly #process: Bun.Subprocess;
  #socket: Socket | null = null;
  #received = "";
  #arrived: (() => void) | null = null;
  #release = "";

  private constructor(directory: string, process: Bun.Subprocess) {
    this.#directory = directory;
    this.#process = process;
  }

  /** Boots it; when that fails nothing stays behind. */
  static async boot(kernel: string, initrd: string): Promise<LinuxGuest> {
    const directory = await mkdtemp(join(tmpdir(), "virtustor-guest-"));
    const agent = join(directory, "agent.sock");
    const child = Bun.spawn(
      [
        ...["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "Nehalem", "-smp", "2", "-m", "768"],
        ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", kernel, "-initrd", initrd],
        ...["-append", "console=ttyS0 panic=-1 mitigations=off random.trust_cpu=on", "-serial", `file:${join(directory, "console.log")}`],
        ...["-serial", `unix:${agent},server=on,wait=off`, "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0"],
      ],
      { stdin: "ignore", stdout: "ignore", stderr: Bun.file(join(directory, "qemu.log")) },
    );
    const guest = new LinuxGuest(directory, child);
    // A test that is told to end takes its guest with it.
    process.once("exit", () => {
      child.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    });
    try {
      guest.#socket = await guest.#attach(agent);
      guest.#release = (await guest.#line(BOOT_WITHIN_MS)).replace(/^.*ready /, "");
    } catch (error) {
      const words = await guest.lastWords();
      await guest.stop();
      throw new Error(`the Linux client did not boot: ${(error as Error).message}\n${words}`);
    }
    return guest;
  }

  /** What `uname -r` says. */
  get release(): string {
    return this.#release;
  }

  /** Runs a shell script in the guest; it may fail. After `seconds` it is ended with code 143. */
  async run(script: string, seconds = 60): Promise<GuestOutcome> {
    this.#socket?.write(`${Buffer.from(`${seconds}\n${script}\n`).toString("base64")}\n`);
    const line = await this.#line(seconds * 1000 + ANSWER_GRACE_MS);
    const [code, output] = line.split(" ");
    return { code: Number(code), out: Buffer.from(output ?? "", "base64").toString().trim() };
  }

  /** Runs a script that must succeed; each of its commands must. */
  async must(script: string, seconds = 60): Promise<string> {
    const { code, out } = await this.run(`set -e\n${script}`, seconds);
    if (code !== 0) {
      const state = await this.run("tail /run/writer; ps -o pid,stat,args | grep -v '\\['; grep . /sys/block/sd*/inflight; dmesg | tail -n 5");
      throw new Error(`in the guest, ended with ${code}: ${script}\n${out}\nwhich is now:\n${state.out}`);
    }
    return out;
  }

  /** The end of the console and what QEMU said. */
  async lastWords(): Promise<string> {
    const texts = await Promise.all(["console.log", "qemu.log"].map((name) => Bun.file(join(this.#directory, name)).text().catch(() => "")));
    return texts.map((text) => text.split("\n").slice(-30).join("\n")).join("\n");
  }

  /** Ends it at once. Never throws. */
  async stop(): Promise<void> {
    this.#socket?.destroy();
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #attach(path: string): Promise<Socket> {
    const deadlineMs = performance.now() + SOCKET_WITHIN_MS;
    for (;;) {
      const socket = await new Promise<Socket | null>((resolve) => {
        const trying = connect(path, () => resolve(trying));
        trying.once("error", () => resolve(null));
      });
      if (socket !== null) {
        socket.on("data", (data: Buffer) => {
          this.#received += data.toString("latin1");
          this.#arrived?.();
        });
        socket.on("error", () => undefined);
        return socket;
      }
      if (this.#process.exitCode !== null || performance.now() > deadlineMs) throw new Error("QEMU does not run");
      await Bun.sleep(LOOK_EVERY_MS);
    }
  }

  /** The next line from the agent. */
  async #line(withinMs: number): Promise<string> {
    const deadlineMs = performance.now() + withinMs;
    for (;;) {
      const end = this.#received.indexOf("\n");
      if (end >= 0) {
        const line = this.#received.slice(0, end).trim();
        this.#received = this.#received.slice(end + 1);
        return line;
      }
      if (this.#process.exitCode !== null) throw new Error("QEMU ended");
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error(`no answer within ${withinMs / 1000} s`);
      await Promise.race([new Promise<void>((resolve) => (this.#arrived = resolve)), Bun.sleep(Math.min(leftMs, 1000))]);
    }
  }
}
