import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LocalCreateBody, LocalJoinBody, LocalJoinCode, LocalJoinSeen, LocalState } from "../../src/management/api/local.ts";
import { PROGRAM } from "./trial-under-test.ts";

const LOOK_EVERY_MS = 100;
/** Formation is many small syncs, and a machine that does other things, too, takes its time. */
const WITHIN_MS = 180_000;
export const PASSWORD = "correct horse battery";

export interface LocalAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  /** The sentence of a refusal, "" when there was none. */
  readonly detail: string;
}

/** A directory for several servers of one story. */
export async function storyDirectory(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "virtustor-setup-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** `virtustor server --state` on an address of this machine, driven over its local socket as the console does it. */
export class SetupServer {
  readonly name: string;
  readonly address: string;
  readonly directory: string;
  readonly #portBase: number;
  #process: Bun.Subprocess | null = null;

  /** `number` from 1. */
  constructor(directory: string, number: number, portBase: number) {
    this.name = `server-${number}`;
    this.address = `127.0.0.${number}`;
    this.directory = join(directory, this.name);
    this.#portBase = portBase;
    mkdirSync(this.directory, { recursive: true });
  }

  get #socket(): string {
    return join(this.directory, "local.sock");
  }
  get drive(): string {
    return join(this.directory, "drive-0");
  }
  get log(): string {
    return readFileSync(join(this.directory, "out.log"), "utf8");
  }

  start(): this {
    const log = openSync(join(this.directory, "out.log"), "a");
    this.#process = Bun.spawn(
      [PROGRAM, "server", "--state", join(this.directory, "state"), "--socket", this.#socket, "--address", this.address, "--port-base", String(this.#portBase)],
      { stdin: "ignore", stdout: log, stderr: log },
    );
    closeSync(log);
    return this;
  }

  /** Like a power cut: the kernel ends its children with it. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
    this.#process = null;
  }

  async ask(method: "GET" | "POST", path: string, body?: object): Promise<LocalAnswer> {
    const response = await fetch(`http://localhost/local/${path}`, { unix: this.#socket, method, body: body === undefined ? null : JSON.stringify(body), signal: AbortSignal.timeout(WITHIN_MS) });
    const answer = (await response.json()) as Record<string, unknown>;
    return { status: response.status, body: answer, detail: response.ok ? "" : String(answer["detail"]) };
  }

  async must(method: "GET" | "POST", path: string, body?: object): Promise<Record<string, unknown>> {
    const { status, body: answer, detail } = await this.ask(method, path, body);
    if (status !== 200) throw new Error(`${this.name} refused ${path}: ${detail}`);
    return answer;
  }

  /** Null while the process is not there or does not answer yet. */
  async state(): Promise<LocalState | null> {
    return (await this.ask("GET", "state").catch(() => null))?.body as LocalState | null | undefined ?? null;
  }

  async until(what: string, isSo: (state: LocalState) => boolean): Promise<LocalState> {
    const endMs = performance.now() + WITHIN_MS;
    for (let last: LocalState | null = null; ; await Bun.sleep(LOOK_EVERY_MS)) {
      const state = await this.state();
      if (state !== null && isSo(state)) return state;
      last = state ?? last;
      if (performance.now() > endMs) throw new Error(`${this.name} is not ${what}: ${JSON.stringify(last)}\n${this.log.slice(-4000)}`);
    }
  }
  configured(): Promise<LocalState> {
    return this.until("configured", ({ phase, status }) => phase === "configured" && status !== undefined);
  }

  createBody(more: Partial<LocalCreateBody> = {}): LocalCreateBody {
    return { clusterName: "demo", serverName: this.name, address: this.address, adminPassword: PASSWORD, evaluation: false, drives: [this.drive], ...more };
  }
  joinBody(to: SetupServer, code: string, more: Partial<LocalJoinBody> = {}): LocalJoinBody {
    return { address: to.address, code, serverName: this.name, ownAddress: this.address, drives: [this.drive], ...more };
  }

  async newCode(): Promise<string> {
    return ((await this.must("POST", "join-code")) as unknown as LocalJoinCode).code;
  }

  /** Asks, confirms the fingerprint that it is shown, and joins. */
  async join(to: SetupServer, code: string): Promise<void> {
    const seen = (await this.must("POST", "join", this.joinBody(to, code))) as unknown as LocalJoinSeen;
    await this.must("POST", "join", this.joinBody(to, code, { fingerprint: seen.fingerprint }));
  }
}
