import { readFileSync } from "node:fs";
import * as v from "valibot";
import type { Platform } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";
import { etcdAddress } from "../platform/store/etcd-membership.ts";
import { serverConfig, type ServerConfig } from "./config.ts";
import { readTls } from "./tls.ts";

/** Reads and checks a server's configuration. Throws an Error that names the file and what is wrong with it. */
export function readConfig(file: string): ServerConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`the configuration ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`the configuration ${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const parsed = v.safeParse(serverConfig, json);
  if (!parsed.success) throw new Error(`the configuration ${file} is not valid: ${v.summarize(parsed.issues)}`);
  return parsed.output;
}

/** The cluster store's client that the configuration asks for. It connects, and reconnects, by itself. */
export async function openStore(platform: Platform, config: Pick<ServerConfig, "store" | "tlsDirectory">): Promise<ClusterStore> {
  if (config.store.kind === "embedded") {
    const { embeddedStore } = await import("../platform/store/embedded-client.ts");
    return embeddedStore({ platform, socketPath: config.store.socket });
  }
  const { etcdStore } = await import("../platform/store/etcd.ts");
  // The configuration knows the members of the time when it was written: some more may have joined.
  return etcdStore({ platform, endpoints: config.store.endpoints.map(etcdAddress), tls: readTls(config.tlsDirectory), follow: true });
}
