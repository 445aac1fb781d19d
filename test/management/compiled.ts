import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { userKeys } from "../../src/cluster/users.ts";
import { realPasswords } from "../../src/platform/passwords.ts";
import { realPlatform } from "../../src/platform/real.ts";
import { embeddedStore } from "../../src/platform/store/embedded-client.ts";
import type { ServerConfig } from "../../src/role/config.ts";
import { authority, trusting, writeTls } from "../certificates.ts";

export const PROGRAM = join(import.meta.dir, "../../dist/virtustor");
export const COMPILED_TOKEN = "a-token-of-some-length-0123456789";
const CLUSTER = { id: "0".repeat(32), name: "test", incarnation: 1, targetName: "iqn.2024-01.test.virtustor:cluster", formedAtMs: 1 };

/** The management role of the compiled executable, with an embedded store of its own, as two processes. */
export class CompiledApi {
  readonly directory = mkdtempSync(join(tmpdir(), "virtustor-compiled-"));
  port = 0;
  readonly #started: ChildProcess[] = [];

  async start(users: Readonly<Record<string, { role: string; password: string }>> = {}): Promise<this> {
    if (!existsSync(PROGRAM)) throw new Error("there is no dist/virtustor: npm run build makes it");
    const socket = join(this.directory, "store.sock");
    this.#spawn("store", "--dir", join(this.directory, "store"), "--socket", socket);
    await this.#fill(socket, users);
    this.port = await freePort();
    writeFileSync(join(this.directory, "token"), COMPILED_TOKEN);
    writeFileSync(join(this.directory, "key"), new Uint8Array(32).fill(7));
    const config: ServerConfig = {
      clusterId: CLUSTER.id, name: "server-1", directory: this.directory, address: "127.0.0.1", portalPort: 1, apiPort: this.port, portalGroupTag: 1,
      clusterKeyFile: join(this.directory, "key"), tokenFile: join(this.directory, "token"), tlsDirectory: writeTls(join(this.directory, "tls")),
      drives: [], store: { kind: "embedded", socket }, processes: "separate", logLevel: "error",
    };
    writeFileSync(join(this.directory, "server.json"), JSON.stringify(config));
    this.#spawn("role", "management", "--config", join(this.directory, "server.json"));
    while (!(await this.#healthy())) await Bun.sleep(50);
    return this;
  }

  ask(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`https://127.0.0.1:${this.port}${path}`, { ...trusting, ...init });
  }

  /** Sends bytes over TLS and gives what came back until the other side closed, or said nothing more for a while. */
  exchange(bytes: Uint8Array | string, quietMs = 30_000): Promise<string> {
    return new Promise((resolve) => {
      let answer = "";
      const socket = connect({ port: this.port, host: "127.0.0.1", ca: authority.certificate }, () => socket.write(bytes));
      socket.setTimeout(quietMs, () => socket.destroy());
      socket.on("data", (data) => (answer += data.toString("latin1")));
      socket.on("error", () => {});
      socket.on("close", () => resolve(answer));
    });
  }

  stop(): void {
    for (const child of this.#started) child.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #fill(socketPath: string, users: Readonly<Record<string, { role: string; password: string }>>): Promise<void> {
    const store = embeddedStore({ platform: realPlatform({ name: "test", logLevel: "silent" }), socketPath });
    const puts = [{ key: "cluster", value: JSON.stringify(CLUSTER) }];
    for (const [name, { role, password }] of Object.entries(users)) {
      puts.push({ key: userKeys.user(name), value: JSON.stringify({ name, role, hash: await realPasswords().hash(password), generation: 1, changedAtMs: 1 }) });
    }
    while ((await store.transact({ compares: [], puts })).outcome !== "success") await Bun.sleep(50);
    await store.close();
  }

  async #healthy(): Promise<boolean> {
    return await this.ask("/api/v1/status", { headers: { authorization: `Bearer ${COMPILED_TOKEN}` } }).then(async (response) => ((await response.json()) as { cluster: unknown }).cluster !== null, () => false);
  }

  #spawn(...parts: string[]): void {
    this.#started.push(spawn(PROGRAM, parts, { cwd: "/", env: {}, stdio: ["ignore", "ignore", "inherit"] }));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
