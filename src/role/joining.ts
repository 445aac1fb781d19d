import { readFileSync } from "node:fs";
import { fingerprintOf } from "../platform/certificates.ts";
import type { Platform } from "../platform/platform.ts";
import { realSealer } from "../platform/seal.ts";
import type { ClusterStore } from "../platform/store.ts";
import { etcdAddress, EtcdMembership } from "../platform/store/etcd-membership.ts";
import { Doorkeeper } from "../formation/admit.ts";
import { makeJoinCode } from "../formation/join-code.ts";
import type { Joining } from "../management/routes/cluster.ts";
import type { ServerConfig } from "./config.ts";
import { readTls, tlsFiles } from "./tls.ts";

/** How servers join by this one; undefined with a store that no other machine reaches. */
export function openJoining(platform: Platform, store: ClusterStore, config: ServerConfig, secrets: { readonly clusterKey: Uint8Array; readonly token: string }): Joining | undefined {
  if (config.store.kind !== "etcd") return undefined;
  const { endpoints } = config.store;
  const files = tlsFiles(config.tlsDirectory);
  const authority = { certificate: readFileSync(files.authority, "utf8"), key: readFileSync(files.authorityKey, "utf8") };
  const code = { store, clock: platform.clock, random: platform.random, sealer: realSealer(secrets.clusterKey) };
  const doorkeeper = new Doorkeeper(platform, code, {
    ...secrets,
    authority,
    endpoints: async () => {
      const membership = new EtcdMembership(platform, endpoints.map(etcdAddress), readTls(config.tlsDirectory));
      try {
        return (await membership.list()).filter(({ clientUrl, isLearner }) => clientUrl !== "" && !isLearner).map(({ clientUrl }) => clientUrl);
      } finally {
        membership.close();
      }
    },
  });
  return {
    fingerprint: fingerprintOf(authority.certificate),
    newCode: () => makeJoinCode(code),
    hello: (body) => doorkeeper.hello(body),
    prove: (body) => doorkeeper.prove(body),
  };
}
