import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Trial } from "../src/trial/state.ts";
import { BENCH_IQN } from "./load.ts";

export interface ClusterOptions {
  /** The executable that is measured. */
  readonly program: string;
  /** On the disk that is measured; the trial gets a directory of its own in it. */
  readonly dir: string;
  readonly store: string;
  readonly processes: string;
  readonly portBase: number;
  readonly volumeBytes: number;
  readonly progress: (line: string) => void;
}

/** A trial made for this run, with one volume mapped to the load generator. */
export class BenchCluster {
  readonly directory: string;
  readonly #options: ClusterOptions;
  #url = "";
  /** The command under way. */
  #child: Bun.Subprocess | null = null;

  private constructor(directory: string, options: ClusterOptions) {
    this.directory = directory;
    this.#options = options;
  }

  /** Whoever gets it must `wipe` it, also when `start` fails. */
  static make(options: ClusterOptions): BenchCluster {
    return new BenchCluster(mkdtempSync(join(options.dir, "virtustor-bench-")), options);
  }

  async start(): Promise<void> {
    const { store, processes, portBase, volumeBytes } = this.#options;
    await this.#run("trial", "up", "--servers", "3", "--drives", "2", "--store", store, "--processes", processes, "--port-base", String(portBase));
    await this.#run("volume", "create", "bench", "--size", String(volumeBytes));
    await this.#run("host", "create", "bench", "--iqn", BENCH_IQN);
    const mapped = JSON.parse(await this.#run("map", "bench", "bench")) as { readonly urls: readonly string[] };
    const [url] = mapped.urls;
    if (url === undefined) throw new Error("the volume was mapped, but no portal serves it");
    this.#url = url;
  }

  /** The LUN at the first server's portal. */
  get url(): string {
    return this.#url;
  }

  trial(): Trial {
    const trial = Trial.open(this.directory);
    if (trial === null) throw new Error(`the trial in ${this.directory} is gone`);
    return trial;
  }

  /** Also in the middle of `start`, whose command is ended first. */
  async wipe(): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.#child?.exited;
    await this.#run("trial", "wipe");
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #run(...argv: readonly string[]): Promise<string> {
    // In a process group of its own, so that Ctrl-C reaches this program alone, which then wipes the trial.
    const child = Bun.spawn([this.#options.program, ...argv, "--dir", this.directory, "--json"], { stdin: "ignore", stdout: "pipe", stderr: "pipe", detached: true });
    this.#child = child;
    const [out, complaint] = await Promise.all([new Response(child.stdout).text(), this.#pass(child.stderr), child.exited]);
    this.#child = null;
    if (child.exitCode !== 0) throw new Error(`virtustor ${argv.join(" ")} failed: ${complaint.trim()}`);
    return out;
  }

  /** Says what it says; returns the last line. */
  async #pass(stream: ReadableStream<Uint8Array>): Promise<string> {
    const decoder = new TextDecoder();
    let said = "";
    let rest = "";
    for await (const bytes of stream) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        said = line;
        this.#options.progress(line);
      }
    }
    return rest === "" ? said : rest;
  }
}

/** Where a trial's drives go when the administrator names no directory: temporary files that survive a reboot lie on a disk (hier(7)). */
export function defaultDirectory(): string {
  return process.platform === "linux" ? "/var/tmp" : tmpdir();
}
