import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realPlatform } from "../../../src/platform/real.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import type { ClusterStore } from "../../../src/platform/store.ts";
import { embeddedStore } from "../../../src/platform/store/embedded-client.ts";
import { runEmbeddedStore } from "../../../src/platform/store/embedded-server.ts";
import { storeContract } from "../../contracts/store-contract.ts";
import { put, reads, succeeded, until } from "../../contracts/store-steps.ts";

const platform = realPlatform({ name: "test", logLevel: "silent" });

/** The embedded store as a process, in a directory of its own. */
class EmbeddedProcess {
  readonly directory = mkdtempSync(join(tmpdir(), "virtustor-store-"));
  readonly socketPath = join(this.directory, "store.socket");
  readonly #clients: ClusterStore[] = [];
  #child: Bun.Subprocess | null = null;

  async restart(): Promise<void> {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "embedded-main.ts"), join(this.directory, "data"), this.socketPath], {
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#child = child;
    const decoder = new TextDecoder();
    let said = "";
    for await (const chunk of child.stdout) {
      said += decoder.decode(chunk);
      if (said.includes("ready\n")) return;
    }
    throw new Error(`the store ended: ${said}`);
  }

  client(deadlineMs = 20_000): ClusterStore {
    const client = embeddedStore({ platform, socketPath: this.socketPath, deadlineMs });
    this.#clients.push(client);
    return client;
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.exited;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function started(): Promise<EmbeddedProcess> {
  const store = new EmbeddedProcess();
  try {
    await store.restart();
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

storeContract("the embedded store", started);

describe("the embedded store's process", () => {
  let store: EmbeddedProcess;
  beforeAll(async () => {
    store = await started();
  });
  afterAll(() => store.close());

  test("only its own user can connect", () => {
    expect(statSync(store.socketPath).mode & 0o777).toBe(0o600);
  });

  test("only its own user can read its database, where secrets lie", () => {
    const files = readdirSync(join(store.directory, "data")).filter((name) => name.includes("sqlite"));
    expect(files.length).toBeGreaterThanOrEqual(2);
    for (const name of files) expect(statSync(join(store.directory, "data", name)).mode & 0o777).toBe(0o600);
  });

  test("a second process does not take the same directory", async () => {
    const options = { directory: join(store.directory, "data"), socketPath: join(store.directory, "second") };
    await expect(runEmbeddedStore(platform, options)).rejects.toThrow("cannot be opened");
    expect(await reads(store.client())).toBe(true);
  });

  test("a connection that sends garbage is closed, and nobody else notices", async () => {
    const client = store.client();
    succeeded(await put(client, "garbage", "1", 0));
    const frame = (text: string): Buffer => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(text));
      return Buffer.concat([length, Buffer.from(text)]);
    };
    const hello = frame('{"protocol":"virtustor-store","version":1}');
    const hostile = [
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      Buffer.from([0, 0, 0, 0]),
      Buffer.from([255, 255, 255, 255]),
      frame('{"protocol":"virtustor-store","version":2}'),
      frame('{"id":1,"ask":"get","key":"a"}'),
      Buffer.concat([hello, frame("not json")]),
      Buffer.concat([hello, frame("null")]),
      Buffer.concat([hello, frame('{"id":1,"ask":"drop"}')]),
      Buffer.concat([hello, frame('{"id":1,"ask":"get","key":""}')]),
      Buffer.concat([hello, frame('{"id":1,"ask":"grant","ttlMs":-1}')]),
      Buffer.concat([hello, frame('{"id":1,"ask":"transact","compares":[{"key":"a","revision":-1}],"puts":[],"deletes":[]}')]),
    ];
    for (const bytes of hostile) await sentUntilClosed(platform, store.socketPath, bytes);
    expect((await client.get("garbage")).found?.value).toBe("1");
  }, 30_000);

  test("clients of a stopped process are answered in time, and go on when it continues", async () => {
    const client = store.client(1_000);
    await until(() => reads(client));
    store.signal("SIGSTOP");
    expect(await reads(client)).toBe(false);
    expect((await put(client, "stopped", "1", 0)).outcome).toBe("unknown");
    store.signal("SIGCONT");
    await until(() => reads(client));
    // It was sent, so it takes effect late: what `unknown` means.
    await until(async () => (await client.get("stopped")).found !== null);
  }, 30_000);
});

/** Sends `bytes` and resolves when the server has closed the connection. */
async function sentUntilClosed(from: Platform, path: string, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    from.network
      .connect({ endpoint: { path }, timeoutMs: 1_000 }, () => ({ data: () => undefined, drained: () => undefined, closed: () => resolve() }))
      .then((socket) => socket.write(bytes), reject);
  });
}
