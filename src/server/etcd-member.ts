import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ServerConfig } from "../role/config.ts";
import { tlsFiles } from "../role/tls.ts";

type Member = NonNullable<Extract<ServerConfig["store"], { kind: "etcd" }>["member"]>;

/** Where Debian's packages and the appliance put programs; a service's PATH may lack the sbin ones. */
const PROGRAM_FOLDERS = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin", "/sbin"];

/** The command of a server's etcd member. Throws an Error that names the package when etcd is not installed. */
export function etcdCommand(member: Member, tlsDirectory: string): string[] {
  const etcd = findProgram("etcd");
  if (etcd === null) throw new Error("etcd is not installed on this machine (Debian package etcd-server)");
  mkdirSync(member.directory, { recursive: true, mode: 0o700 });
  const { authority, certificate, key } = tlsFiles(tlsDirectory);
  // etcd cannot ask the kernel to die with its parent, setpriv does it in its stead before it becomes etcd.
  const setpriv = findProgram("setpriv");
  return [
    ...(setpriv === null ? [] : [setpriv, "--pdeathsig", "KILL"]),
    etcd,
    ...["--name", member.name],
    ...["--data-dir", member.directory],
    ...["--listen-client-urls", member.clientUrl],
    ...["--advertise-client-urls", member.clientUrl],
    ...["--listen-peer-urls", member.peerUrl],
    ...["--initial-advertise-peer-urls", member.peerUrl],
    // Whoever cannot show a certificate of this cluster's authority is neither client nor member.
    ...["--client-cert-auth", "--trusted-ca-file", authority, "--cert-file", certificate, "--key-file", key],
    ...["--peer-client-cert-auth", "--peer-trusted-ca-file", authority, "--peer-cert-file", certificate, "--peer-key-file", key],
    ...["--initial-cluster", member.initialCluster],
    ...["--initial-cluster-token", member.initialClusterToken],
    // With data in its directory etcd ignores this and rejoins.
    ...["--initial-cluster-state", member.initialClusterState],
    // Leased keys are rewritten all the time: history is cut, and nobody reads old revisions.
    ...["--auto-compaction-mode", "periodic", "--auto-compaction-retention", "5m"],
    ...["--logger", "zap", "--log-level", "warn", "--log-outputs", "stderr"],
  ];
}

export function findProgram(name: string): string | null {
  const folders = [...(process.env["PATH"] ?? "").split(":").filter((folder) => folder !== ""), ...PROGRAM_FOLDERS];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}
