import { createApp } from "../management/app.ts";
import { ClusterView } from "../management/view.ts";
import { realSealer } from "../platform/seal.ts";
import { serveHttp, type HttpServer } from "../platform/http.ts";
import { askPort } from "../platform/port-probe.ts";
import { realPasswords } from "../platform/passwords.ts";
import type { Files, Platform } from "../platform/platform.ts";
import type { TlsIdentity } from "../platform/store/tls-socket.ts";
import { readKey } from "./cluster-key.ts";
import { openJoining } from "./joining.ts";
import { giveWord, withdrawWord, WordWatch, type LoneWord } from "./lone.ts";
import { openMonitoring } from "./monitoring.ts";
import type { RunRole } from "./role.ts";
import { readTls } from "./tls.ts";
import { webFiles } from "./web-files.ts";

/** A shorter token could be guessed; formation makes one of 32 random bytes. */
const TOKEN_CHARACTERS_MIN = 16;
/** A machine that is on answers within milliseconds. */
const ASK_PORT_MS = 1000;
const TOKEN_FILE_BYTES_MAX = 4096;

/** The management role: the API of one server. It serves at once, and tells what it knows as the cluster's state comes in. */
export const runManagement: RunRole = async (context) => {
  const { platform, store, config } = context;
  const token = await readToken(platform, config.tokenFile);
  const view = new ClusterView(platform, store);
  const lone = { server: config.name, askPort: (address: string, port: number) => askPort(platform.clock, address, port, ASK_PORT_MS), give: (word: LoneWord) => giveWord(config.directory, word) };
  const clusterKey = await readKey(context);
  const monitoring = openMonitoring(platform, view, config.directory, realSealer(clusterKey));
  const joining = openJoining(platform, store, config, { clusterKey, token });
  const app = createApp({ platform, store, view, server: config.name, token, clusterKey, passwords: realPasswords(), lone, monitoring, ...(joining === undefined ? {} : { joining }), web: webFiles() });
  const watch = new WordWatch(config.directory, platform.clock, (word) => {
    view.lost = word?.servers ?? [];
    // R24: it was about a time without the store, which is over.
    if (word && view.ready && view.storeAnswers) void withdrawWord(config.directory);
  });
  let server: HttpServer;
  try {
    server = serveHttp({
      address: config.address,
      port: config.apiPort,
      tls: readTlsOrEnd(platform, config.tlsDirectory),
      fetch: (request, remote) => app.fetch(request, { remote }),
      onError: (error) => platform.log.error("the API failed on a request", { error }),
    });
  } catch (error) {
    view.close();
    return platform.fatal("port-taken", reasonOf(error));
  }
  platform.log.info("the API serves", { address: config.address, port: server.port });
  return {
    async stop() {
      watch.close();
      monitoring.close();
      view.close();
      await server.stop();
    },
  };
};

async function readToken(platform: Platform, path: string): Promise<string> {
  let token: string;
  try {
    token = (await readText(platform.files, path)).trim();
  } catch (error) {
    return platform.fatal("configuration", `the API's token cannot be read: ${reasonOf(error)}`);
  }
  if (token.length >= TOKEN_CHARACTERS_MIN && /^[\x21-\x7e]+$/.test(token)) return token;
  return platform.fatal("configuration", `the API's token in ${path} must be one word of at least ${TOKEN_CHARACTERS_MIN} printable characters`);
}

function readTlsOrEnd(platform: Platform, directory: string): TlsIdentity {
  try {
    return readTls(directory);
  } catch (error) {
    return platform.fatal("configuration", reasonOf(error));
  }
}

async function readText(files: Files, path: string): Promise<string> {
  const file = await files.open(path, {});
  try {
    const buffer = new Uint8Array(TOKEN_FILE_BYTES_MAX);
    const length = await file.read(buffer, 0, buffer.length, 0);
    return new TextDecoder().decode(buffer.subarray(0, length));
  } finally {
    await file.close();
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
