import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Socket } from "bun";
import { Screen } from "./screen.ts";

export interface MachineOptions {
  readonly name: string;
  /** For sockets, logs, firmware variables and screens; made when it is not there. */
  readonly directory: string;
  readonly firmware: "bios" | "uefi";
  readonly iso: string;
  /** Images of its drives, the system drive first. With `serial` as the drive tells it. */
  readonly drives: readonly { readonly path: string; readonly serial: string }[];
  /** First NIC: a network with DHCP that leads out through this machine. Port here -> port there. */
  readonly forwards: Readonly<Record<number, number>>;
  /** Second NIC: all machines with the same number are on one wire. Null: none. */
  readonly wire: { readonly port: number; readonly mac: string } | null;
  readonly memoryMib?: number;
  readonly cpus?: number;
  /** A processor's name as QEMU knows it. */
  readonly cpu?: string;
}

const UEFI_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const UEFI_VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/** QEMU opens its sockets within this time even on a machine that is busy. */
const SOCKET_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 200;

/** One virtual server: its serial line with keys and screen, its video screen, its power. */
export class Machine {
  readonly screen = new Screen();
  readonly options: MachineOptions;
  #process: Bun.Subprocess | null = null;
  #serial: Socket | null = null;

  constructor(options: MachineOptions) {
    this.options = options;
    mkdirSync(options.directory, { recursive: true });
  }

  get name(): string {
    return this.options.name;
  }
  get running(): boolean {
    return this.#process !== null && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Power on. `from` is what the firmware starts. */
  async start(from: "medium" | "drive"): Promise<void> {
    if (this.running) throw new Error(`${this.name} runs already`);
    const log = Bun.file(this.#path("qemu.log"));
    // Ends with this process, however it ends.
    this.#process = Bun.spawn(["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", ...this.#arguments(from)], { stdin: "ignore", stdout: log, stderr: log });
    const began = performance.now();
    while (this.#serial === null) {
      this.#serial = await this.#connect("serial.sock", (bytes) => this.#heard(bytes)).catch(() => null);
      if (this.#serial !== null) break;
      if (!this.running || performance.now() - began > SOCKET_WITHIN_MS) throw new Error(`${this.name} does not start: ${readFileSync(this.#path("qemu.log"), "utf8").slice(-2_000)}`);
      await Bun.sleep(LOOK_EVERY_MS);
    }
  }

  /** As if the power had failed. */
  async kill(): Promise<void> {
    this.#serial?.end();
    this.#serial = null;
    if (this.#process === null) return;
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    this.#process = null;
  }

  /** Keys, as the serial line carries them. */
  send(keys: string): void {
    if (this.#serial === null) throw new Error(`${this.name} is off`);
    this.#serial.write(keys);
  }

  /** Waits until the serial console's screen shows it. Gives what matched. Throws with the screen when it does not come. */
  async expect(pattern: RegExp, withinMs: number): Promise<RegExpExecArray> {
    const began = performance.now();
    while (true) {
      const match = pattern.exec(this.screen.text);
      if (match !== null) return match;
      if (!this.running) throw new Error(`${this.name} ended while ${pattern} was waited for; its screen:\n${this.screen.text}`);
      if (performance.now() - began > withinMs) throw new Error(`${this.name} did not show ${pattern} within ${withinMs / 1000} s; its screen:\n${this.screen.text}`);
      await Bun.sleep(LOOK_EVERY_MS);
    }
  }

  /** The video screen as a PNG. Gives the file's name. */
  async photograph(name: string): Promise<string> {
    const path = this.#path(`${name}.png`);
    await this.monitor(`screendump ${path} -f png`);
    return path;
  }

  /** A command of QEMU's monitor; gives what it answers. */
  async monitor(command: string): Promise<string> {
    const decoder = new TextDecoder();
    let said = "";
    let prompts = 0;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`QEMU's monitor of ${this.name} does not answer ${command}`)), SOCKET_WITHIN_MS);
      const heard = (bytes: Uint8Array, socket: Socket): void => {
        said += decoder.decode(bytes, { stream: true });
        prompts = said.split("(qemu) ").length - 1;
        // The first prompt greets, the second follows the answer.
        if (prompts < 2) return;
        clearTimeout(timer);
        socket.end();
        resolve(said.split("(qemu) ")[1] ?? "");
      };
      void this.#connect("monitor.sock", heard).then((socket) => socket.write(`${command}\n`), reject);
    });
  }

  #heard(bytes: Uint8Array): void {
    this.screen.write(bytes);
  }

  #connect(name: string, heard: (bytes: Uint8Array, socket: Socket) => void): Promise<Socket> {
    return Bun.connect({ unix: this.#path(name), socket: { data: (socket, bytes) => heard(bytes, socket), error: () => undefined } });
  }

  #path(name: string): string {
    return join(this.options.directory, `${this.name}-${name}`);
  }

  #arguments(from: "medium" | "drive"): string[] {
    const { options } = this;
    const socket = (kind: string): string => `unix:${this.#path(`${kind}.sock`)},server=on,wait=off`;
    writeFileSync(this.#path("serial.log"), "", { flag: "a" });
    return [
      "-machine", "q35", ...accelerator(), "-cpu", options.cpu ?? "max", "-smp", String(options.cpus ?? 2), "-m", String(options.memoryMib ?? 2048),
      "-display", "none", "-vga", "std",
      "-chardev", `socket,id=serial,path=${this.#path("serial.sock")},server=on,wait=off,logfile=${this.#path("serial.log")},logappend=on`, "-serial", "chardev:serial",
      "-monitor", socket("monitor"),
      "-drive", `file=${options.iso},media=cdrom,format=raw,if=none,id=cd,readonly=on`, "-device", `ide-cd,drive=cd,bootindex=${from === "medium" ? 1 : 9}`,
      ...options.drives.flatMap(({ path, serial }, index) => [
        "-drive", `file=${path},if=none,id=drive${index},discard=unmap,cache=unsafe`,
        "-device", `virtio-blk-pci,drive=drive${index},serial=${serial}${index === 0 ? ",bootindex=2" : ""}`,
      ]),
      "-netdev", ["user,id=outside", ...Object.entries(options.forwards).map(([here, there]) => `hostfwd=tcp:127.0.0.1:${here}-:${there}`)].join(","),
      "-device", "virtio-net-pci,netdev=outside",
      ...(options.wire === null ? [] : ["-netdev", `socket,id=wire,mcast=230.9.0.1:${options.wire.port},localaddr=127.0.0.1`, "-device", `virtio-net-pci,netdev=wire,mac=${options.wire.mac}`]),
      ...(options.firmware === "uefi" ? this.#uefi() : []),
    ];
  }

  #uefi(): string[] {
    const variables = this.#path("uefi.fd");
    copyFileSync(UEFI_VARIABLES, variables);
    return ["-drive", `if=pflash,format=raw,unit=0,readonly=on,file=${UEFI_CODE}`, "-drive", `if=pflash,format=raw,unit=1,file=${variables}`];
  }
}

/**
 * KVM where the processor itself offers it. A /dev/kvm without that is an emulation which does not get through a kernel's first
 * instructions; QEMU's own does, at a tenth of the speed.
 */
function accelerator(): string[] {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "";
  const usable = /\b(vmx|svm)\b/.test(flags) && Bun.spawnSync(["test", "-w", "/dev/kvm"]).exitCode === 0;
  return usable ? ["-accel", "kvm"] : ["-accel", "tcg,thread=multi,tb-size=256"];
}
