import type {
  LocalCreateBody, LocalDiscovered, LocalDriveBody, LocalDrives, LocalJoinBody, LocalJoinCode, LocalJoinSeen, LocalLog, LocalStarted, LocalState,
} from "../management/api/local.ts";
import type { ProblemAnswer } from "../management/api.ts";

/** This machine's own server behind its local socket. Every failure is a LocalProblem whose message is a sentence for people. */
export interface LocalServer {
  state(): Promise<LocalState>;
  create(body: LocalCreateBody): Promise<LocalStarted>;
  join(body: LocalJoinBody): Promise<LocalJoinSeen | LocalStarted>;
  /** Goes on with a formation that stopped. */
  retry(): Promise<LocalStarted>;
  /** Forgets one that stopped. */
  abandon(): Promise<LocalStarted>;
  freeDrives(): Promise<LocalDrives>;
  addDrive(body: LocalDriveBody): Promise<LocalStarted>;
  joinCode(): Promise<LocalJoinCode>;
  setPassword(password: string): Promise<LocalStarted>;
  restart(confirm: boolean): Promise<LocalStarted>;
  powerOff(confirm: boolean): Promise<LocalStarted>;
  log(lines: number): Promise<LocalLog>;
  discover(): Promise<LocalDiscovered>;
}

export class LocalProblem extends Error {
  override name = "LocalProblem";
  /** True when the server was asked and refused; false when it did not answer. */
  readonly refused: boolean;
  constructor(refused: boolean, sentence: string) {
    super(sentence);
    this.refused = refused;
  }
}

/** Adding a drive formats it; everything else answers at once. */
const ANSWER_MS = 60_000;
const STATE_ANSWER_MS = 10_000;

export function localServer(socket: string): LocalServer {
  const ask = async <T>(method: "GET" | "POST", path: string, body?: object, withinMs = ANSWER_MS): Promise<T> => {
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(`http://localhost/local${path}`, {
        unix: socket,
        method,
        headers: body === undefined ? {} : { "content-type": "application/json" },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(withinMs),
      });
      answer = await response.json();
    } catch {
      throw new LocalProblem(false, "VirtuStor's server process on this machine does not answer. It starts again by itself; if this lasts for minutes, restart this machine.");
    }
    if (response.ok) return answer as T;
    const { detail } = (answer ?? {}) as Partial<ProblemAnswer>;
    throw new LocalProblem(true, detail ?? `The server process refused it with status ${response.status}. Look at the log.`);
  };
  return {
    state: () => ask("GET", "/state", undefined, STATE_ANSWER_MS),
    create: (body) => ask("POST", "/create", body),
    join: (body) => ask("POST", "/join", body),
    retry: () => ask("POST", "/retry", {}),
    abandon: () => ask("POST", "/abandon", {}),
    freeDrives: () => ask("GET", "/drives"),
    addDrive: (body) => ask("POST", "/drives", body),
    joinCode: () => ask("POST", "/join-code", {}),
    setPassword: (password) => ask("POST", "/password", { password }),
    restart: (confirm) => ask("POST", "/restart", { confirm }),
    powerOff: (confirm) => ask("POST", "/power-off", { confirm }),
    log: (lines) => ask("GET", `/log?lines=${lines}`, undefined, STATE_ANSWER_MS),
    discover: () => ask("GET", "/discover"),
  };
}
