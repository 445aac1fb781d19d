import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realPlatform } from "../../../src/platform/real.ts";
import type { ClusterStore } from "../../../src/platform/store.ts";
import { etcdStore } from "../../../src/platform/store/etcd.ts";
import type { TlsIdentity } from "../../../src/platform/store/tls-socket.ts";
import { until } from "../../contracts/store-steps.ts";

export const platform = realPlatform({ name: "test", logLevel: "silent" });

interface Member {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  child: Bun.Subprocess | null;
}

/** Files for etcd's own TLS options, and what a client needs. */
export interface EtcdTls {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  readonly client: TlsIdentity;
}

/** A real etcd of one or more members, each a child process with its data in a temporary directory. */
export class EtcdCluster {
  readonly directory = mkdtempSync(join(tmpdir(), "virtustor-etcd-"));
  readonly members: Member[];
  readonly #tls: EtcdTls | undefined;
  readonly #clients: ClusterStore[] = [];

  constructor(count: number, tls?: EtcdTls) {
    const ports = freePorts(count * 2);
    this.members = Array.from({ length: count }, (_, index) => ({
      name: `member${index}`,
      clientPort: ports[index * 2]!,
      peerPort: ports[index * 2 + 1]!,
      child: null,
    }));
    this.#tls = tls;
  }

  static async started(count: number, tls?: EtcdTls): Promise<EtcdCluster> {
    const cluster = new EtcdCluster(count, tls);
    for (let index = 0; index < count; index++) cluster.start(index);
    const probe = cluster.client(1_000);
    await until(() => probe.get("probe").then(() => true, () => false));
    return cluster;
  }

  /** A client that knows all members, `first` before the others. */
  client(deadlineMs = 20_000, first = 0): ClusterStore {
    const ordered = [...this.members.slice(first), ...this.members.slice(0, first)];
    const client = etcdStore({
      platform,
      endpoints: ordered.map(({ clientPort }) => ({ address: "127.0.0.1", port: clientPort })),
      deadlineMs,
      ...(this.#tls === undefined ? {} : { tls: this.#tls.client }),
    });
    this.#clients.push(client);
    return client;
  }

  start(index: number): void {
    const member = this.members[index]!;
    const scheme = this.#tls === undefined ? "http" : "https";
    const peers = this.members.map(({ name, peerPort }) => `${name}=http://127.0.0.1:${peerPort}`).join(",");
    const tls = this.#tls;
    member.child = Bun.spawn(
      [
        "/usr/bin/etcd",
        ...["--name", member.name, "--data-dir", join(this.directory, member.name), "--initial-cluster", peers],
        ...["--listen-client-urls", `${scheme}://127.0.0.1:${member.clientPort}`, "--advertise-client-urls", `${scheme}://127.0.0.1:${member.clientPort}`],
        ...["--listen-peer-urls", `http://127.0.0.1:${member.peerPort}`, "--initial-advertise-peer-urls", `http://127.0.0.1:${member.peerPort}`],
        ...(tls === undefined ? [] : ["--client-cert-auth", "--trusted-ca-file", tls.authority, "--cert-file", tls.certificate, "--key-file", tls.key]),
      ],
      { stdout: "ignore", stderr: "ignore" },
    );
  }

  signal(index: number, signal: NodeJS.Signals): void {
    this.members[index]!.child!.kill(signal);
  }

  async killMember(index: number): Promise<void> {
    this.signal(index, "SIGKILL");
    await this.members[index]!.child!.exited;
  }

  async kill(): Promise<void> {
    for (const [index, { child }] of this.members.entries()) if (child !== null) await this.killMember(index);
  }

  async restart(): Promise<void> {
    for (let index = 0; index < this.members.length; index++) this.start(index);
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Ports that nobody listens on at this moment. */
function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } }));
  const ports = listeners.map(({ port }) => port);
  for (const listener of listeners) listener.stop(true);
  return ports;
}
