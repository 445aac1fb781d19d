import { spawn } from "node:child_process";
import { request } from "node:https";
import { connect, createServer } from "node:net";
import { realProcesses } from "../platform/process.ts";
import { inNamespace } from "./processes.ts";

const ANSWER_WITHIN_MS = 3_000;
/** The status of 16 servers is some 100 kB; more is not an answer of ours. */
const ANSWER_BYTES_MAX = 8 * 2 ** 20;

/** What the trial needs of the API's status; null stands for no answer. */
export interface Status {
  readonly health: { readonly state: string; readonly sentence: string };
  readonly servers: readonly { readonly name: string; readonly up: boolean }[];
}

/** How one server's API is reached: its base URL, the token, and the authority (PEM) that its certificate must be of. */
export interface ApiAccess {
  readonly api: string;
  readonly token: string;
  readonly authority: string;
}

/** Asks one server's API; from inside its network namespace when it has one. Never rejects. */
export async function askStatus(access: ApiAccess, netns: string | null): Promise<Status | null> {
  try {
    return netns === null ? await requestStatus(access) : (JSON.parse(await inside(netns, ["status", access.api], access)) as Status | null);
  } catch {
    return null;
  }
}

/** Through node:https, which asks the server itself whatever proxy the environment names. */
export function requestStatus({ api, token, authority }: ApiAccess): Promise<Status | null> {
  return new Promise((resolve) => {
    const asked = request(
      `${api}/api/v1/status`,
      { headers: { authorization: `Bearer ${token}` }, timeout: ANSWER_WITHIN_MS, agent: false, ca: authority },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          text += chunk;
          if (text.length > ANSWER_BYTES_MAX) asked.destroy();
        });
        answer.on("end", () => resolve(answer.statusCode === 200 ? parseStatus(text) : null));
        answer.on("error", () => resolve(null));
        answer.on("close", () => resolve(null));
      },
    );
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(null));
    asked.end();
  });
}

/** The first of `ports` that cannot be had on `address`, with why; null when all are free. */
export async function takenPort(address: string, ports: readonly number[], netns: string | null): Promise<string | null> {
  if (netns === null) return firstTaken(address, ports);
  return JSON.parse(await inside(netns, ["ports", address, ports.join(",")])) as string | null;
}

export async function firstTaken(address: string, ports: readonly number[]): Promise<string | null> {
  for (const port of ports) {
    const code = await tryListen(address, port);
    if (code === null) continue;
    if (code === "EADDRINUSE") return `port ${port} on ${address} is taken by another program; choose another --port-base`;
    if (code === "EADDRNOTAVAIL") return `the address ${address} is not one of this machine`;
    if (code === "EACCES") return `port ${port} on ${address} needs root; choose a --port-base from 1024 up`;
    return `port ${port} on ${address} cannot be used: ${code}`;
  }
  return null;
}

/** Whether somebody listens on every one of `ports`. */
export async function allListening(address: string, ports: readonly number[], netns: string | null): Promise<boolean> {
  if (netns === null) return everyListening(address, ports);
  return (await inside(netns, ["listening", address, ports.join(",")]).catch(() => "false")).trim() === "true";
}

export async function everyListening(address: string, ports: readonly number[]): Promise<boolean> {
  return (await Promise.all(ports.map((port) => tryConnect(address, port)))).every((connected) => connected);
}

function tryConnect(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: ANSWER_WITHIN_MS });
    const end = (connected: boolean): void => {
      socket.destroy();
      resolve(connected);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
  });
}

function tryListen(address: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

function parseStatus(text: string): Status | null {
  try {
    const body = JSON.parse(text) as Partial<Status>;
    return typeof body.health?.state === "string" ? (body as Status) : null;
  } catch {
    return null;
  }
}

/** Runs `virtustor inside ...` in a network namespace; access goes by the environment, where others cannot read it. */
export function inside(netns: string, args: readonly string[], access?: ApiAccess): Promise<string> {
  const [program, ...rest] = [...inNamespace(netns), ...realProcesses().selfExecutable(), "inside", ...args];
  return new Promise((resolve, reject) => {
    const child = spawn(program ?? "", rest, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...(access === undefined ? {} : { VIRTUSTOR_TOKEN: access.token, VIRTUSTOR_AUTHORITY: access.authority }) } });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(text) : reject(new Error(`the network namespace ${netns} cannot be used`))));
  });
}
