import * as v from "valibot";
import { VERSION } from "../base/version.ts";
import type { LocalLog, LocalState } from "../management/api/local.ts";
import { Problem, problemResponse } from "../management/problem.ts";
import { fingerprintOf } from "../platform/certificates.ts";
import { StoreUnavailable } from "../platform/store.ts";
import { readTls } from "../role/tls.ts";
import type { Appliance, Running } from "./appliance.ts";
import { Known } from "./known.ts";
import { addLocalDrive, freeDrives } from "./local-drives.ts";
import { readLog } from "./local-log.ts";
import { setPassword } from "./local-password.ts";
import { power, type Power } from "./local-power.ts";

const text = v.pipe(v.string(), v.maxLength(512));
const drives = v.pipe(v.array(text), v.maxLength(64));
const createBody = v.object({
  clusterName: text, serverName: text, address: text, adminPassword: text, evaluation: v.boolean(), drives, loneSurvivor: v.exactOptional(v.picklist(["confirm", "auto"])),
});
const joinBody = v.object({ address: text, code: text, serverName: text, ownAddress: text, drives, fingerprint: v.exactOptional(text) });
const driveBody = v.object({ device: text, wipe: v.exactOptional(text) });
const passwordBody = v.object({ password: text });
const powerBody = v.object({ confirm: v.exactOptional(v.boolean()) });

type Handler = (request: Request, url: URL) => Promise<object>;

/** The local socket of a server (management/api/local.ts): the same appliance behind it, before there is a cluster and after. */
export class LocalApi {
  readonly #appliance: Appliance;
  readonly #known: Known;
  readonly #routes: Readonly<Record<string, Handler>>;

  constructor(appliance: Appliance) {
    this.#appliance = appliance;
    this.#known = new Known(appliance.options.platform);
    const powerOf = (what: Power): Handler => async (request) => await power(appliance, this.#known, what, await body(request, powerBody));
    this.#routes = {
      "GET /local/state": async () => await this.#state(),
      "POST /local/create": async (request) => await appliance.create(await body(request, createBody)),
      "POST /local/join": async (request) => await appliance.join(await body(request, joinBody)),
      "POST /local/retry": async () => await Promise.resolve(appliance.retry()),
      "POST /local/abandon": async () => await appliance.abandon(),
      "GET /local/drives": async () => ({ drives: await freeDrives(appliance) }),
      "POST /local/drives": async (request) => await addLocalDrive(appliance, await body(request, driveBody)),
      "POST /local/join-code": async () => await this.#newCode(),
      "POST /local/password": async (request) => await setPassword(appliance, (await body(request, passwordBody)).password),
      "POST /local/restart": powerOf("restart"),
      "POST /local/power-off": powerOf("power-off"),
      "GET /local/log": async (_request, url): Promise<LocalLog> => ({ lines: await readLog(appliance.options.directory, Number(url.searchParams.get("lines") ?? "100")) }),
      "GET /local/discover": async () => await Promise.resolve({ clusters: [] }),
    };
  }

  async answer(request: Request): Promise<Response> {
    const url = URL.parse(request.url);
    const handler = url === null ? undefined : this.#routes[`${request.method} ${url.pathname}`];
    if (url === null || handler === undefined) return problemResponse("not-found", `There is no ${request.method} ${url?.pathname.slice(0, 128) ?? ""}.`);
    try {
      return new Response(JSON.stringify(await handler(request, url)), { headers: { "content-type": "application/json" } });
    } catch (error) {
      if (error instanceof Problem) return problemResponse(error.code, error.message);
      if (error instanceof StoreUnavailable) return problemResponse("store-unavailable", "The cluster store does not answer this server. Check that most of the servers are on.");
      this.#appliance.options.platform.log.error("the local socket failed on a request", { path: url.pathname, error });
      return problemResponse("bug", "The request failed inside VirtuStor; the server's log says why.");
    }
  }

  async #state(): Promise<LocalState> {
    const { phase, progress, error, setup, running } = this.#appliance;
    const plan = setup.plan;
    const name = running?.config.name ?? plan?.serverName;
    const address = running?.config.address ?? plan?.address;
    const [status, joinCode, cluster] = running === null ? [] : await Promise.all([this.#known.status(running), this.#known.joinCode(running), this.#cluster(running)]);
    return {
      phase,
      version: VERSION,
      ...(progress === null ? {} : { step: progress }),
      ...(error === null ? {} : { error }),
      ...(name === undefined ? {} : { name }),
      ...(address === undefined ? {} : { address }),
      ...(cluster ?? {}),
      ...(status === undefined ? {} : { status }),
      ...(joinCode === undefined ? {} : { joinCode }),
    };
  }

  async #cluster(running: Running): Promise<Pick<LocalState, "cluster">> {
    const { config } = running;
    const record = await this.#known.cluster(running);
    const name = record?.name ?? this.#appliance.clusterName;
    if (name === null) return {};
    return { cluster: { name, id: config.clusterId, fingerprint: fingerprintOf(readTls(config.tlsDirectory).authority), evaluation: record?.evaluation === true } };
  }

  async #newCode(): Promise<object> {
    const made = await this.#appliance.joinCode();
    this.#known.forgetCode();
    return made;
  }
}

async function body<T>(request: Request, schema: v.GenericSchema<unknown, T>): Promise<T> {
  let json: unknown;
  try {
    json = await request.json();
  } catch {
    throw new Problem("bad-request", "The request's body is not JSON.");
  }
  const parsed = v.safeParse(schema, json);
  if (parsed.success) return parsed.output;
  throw new Problem("bad-request", `The request's body is not valid: ${parsed.issues.map((issue) => `${v.getDotPath(issue) ?? "it"}: ${issue.message}`).join("; ").slice(0, 512)}.`);
}
