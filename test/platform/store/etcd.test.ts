import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { etcdStore } from "../../../src/platform/store/etcd.ts";
import { storeContract } from "../../contracts/store-contract.ts";
import { Recorder, put, reads, succeeded, until } from "../../contracts/store-steps.ts";
import { EtcdCluster, platform } from "./etcd-cluster.ts";
import type { EtcdTls } from "./etcd-cluster.ts";

storeContract("the store on etcd", () => EtcdCluster.started(1));

describe("the store on three members of etcd", () => {
  const open: EtcdCluster[] = [];
  const start = async (): Promise<EtcdCluster> => {
    const cluster = await EtcdCluster.started(3);
    open.push(cluster);
    return cluster;
  };
  afterEach(async () => {
    for (const cluster of open.splice(0)) await cluster.close();
  });

  test("goes on when the member that a client prefers is killed", async () => {
    const cluster = await start();
    const client = cluster.client(3_000, 1);
    const seen = new Recorder();
    client.watch("w/", seen);
    await until(() => seen.snapshots === 1);
    const lease = await client.lease(5_000);
    let lost = false;
    lease.onLost(() => (lost = true));
    succeeded(await client.transact({ compares: [], puts: [{ key: "w/l", value: "1", lease }] }));
    const { storeId } = await client.get("w/l");
    await cluster.killMember(1);
    await until(async () => (await put(client, "w/1", "1", 0)).outcome !== "unknown");
    await until(() => seen.state.has("w/1"));
    expect((await client.range("w/")).entries.map(({ key }) => key)).toEqual(["w/1", "w/l"]);
    expect((await client.get("w/l")).storeId).toBe(storeId);
    expect(seen.gaps).toEqual([]);
    expect(lost).toBe(false);
  }, 60_000);

  test("goes on when the member that a client prefers hangs, its watches too", async () => {
    const cluster = await start();
    const [client, other] = [cluster.client(3_000, 1), cluster.client(3_000, 2)];
    const seen = new Recorder();
    client.watch("w/", seen);
    await until(() => seen.snapshots === 1);
    cluster.signal(1, "SIGSTOP");
    await until(async () => (await put(other, "w/1", "1", 0)).outcome !== "unknown");
    await until(() => reads(client));
    await until(() => seen.state.has("w/1"));
    expect(seen.gaps).toEqual([]);
    cluster.signal(1, "SIGCONT");
    await until(() => reads(client));
  }, 60_000);

  test("without a quorum reads reject and transactions are unknown; with it all is back", async () => {
    const cluster = await start();
    const client = cluster.client(3_000);
    const seen = new Recorder();
    client.watch("w/", seen);
    succeeded(await put(client, "w/1", "1", 0));
    await cluster.killMember(1);
    await cluster.killMember(2);
    await until(async () => !(await reads(client)));
    const { outcome } = await put(client, "w/2", "1", 0);
    expect(outcome).toBe("unknown");
    cluster.start(1);
    await until(() => reads(client));
    await until(async () => (await put(client, "w/3", "1", 0)).outcome !== "unknown");
    await until(() => seen.state.has("w/3"));
    expect(seen.entries()).toEqual([...(await client.range("w/")).entries]);
  }, 60_000);
});

describe("the store on etcd in an executable", () => {
  let directory: string;
  let cluster: EtcdCluster;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "virtustor-compiled-"));
    cluster = await EtcdCluster.started(1);
  });
  afterAll(async () => {
    await cluster.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test("does all it does from the sources", async () => {
    const executable = join(directory, "compiled");
    const build = Bun.spawn([process.execPath, "build", "--compile", join(import.meta.dir, "compiled-main.ts"), "--outfile", executable], {
      stdout: "ignore",
      stderr: "inherit",
    });
    expect(await build.exited).toBe(0);
    const run = Bun.spawn([executable, String(cluster.members[0]!.clientPort)], { cwd: directory, stdout: "pipe", stderr: "inherit" });
    expect(JSON.parse(await new Response(run.stdout).text())).toMatchObject({ entries: 512, gaps: [] });
    expect(await run.exited).toBe(0);
  }, 60_000);
});

describe("the store on etcd with TLS", () => {
  let directory: string;
  let tls: EtcdTls;
  let cluster: EtcdCluster;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "virtustor-tls-"));
    tls = makeIdentity(directory, "one");
    cluster = await EtcdCluster.started(1, tls);
  }, 30_000);
  afterAll(async () => {
    await cluster.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test("reads, writes, watches and keeps leases", async () => {
    const client = cluster.client();
    const seen = new Recorder();
    client.watch("", seen);
    const lease = await client.lease(2_000);
    const puts = Array.from({ length: 100 }, (_, index) => put(client, `a/${index}`, "x".repeat(10_000), 0));
    for (const outcome of await Promise.all(puts)) succeeded(outcome);
    succeeded(await client.transact({ compares: [], puts: [{ key: "l", value: "", lease }] }));
    await until(() => seen.state.size === 101);
    await lease.revoke();
    expect((await client.range("")).entries).toHaveLength(100);
  }, 30_000);

  test("does not speak to a server of another authority, nor with a certificate of one", async () => {
    const stranger = makeIdentity(directory, "two");
    const identities = [stranger.client, { ...tls.client, authority: stranger.client.authority }, { ...stranger.client, authority: tls.client.authority }];
    for (const identity of identities) {
      const endpoints = [{ address: "127.0.0.1", port: cluster.members[0]!.clientPort }];
      const client = etcdStore({ platform, endpoints, tls: identity, deadlineMs: 1_000 });
      expect(await reads(client)).toBe(false);
      await client.close();
    }
    const plain = etcdStore({ platform, endpoints: [{ address: "127.0.0.1", port: cluster.members[0]!.clientPort }], deadlineMs: 1_000 });
    expect(await reads(plain)).toBe(false);
    await plain.close();
  }, 30_000);
});

/** An authority with one certificate for 127.0.0.1, good for servers and clients. */
function makeIdentity(directory: string, name: string): EtcdTls {
  const path = (file: string): string => join(directory, `${name}-${file}`);
  const openssl = (...options: string[]): void => {
    const done = Bun.spawnSync(["openssl", ...options], { stderr: "pipe" });
    if (done.exitCode !== 0) throw new Error(done.stderr.toString());
  };
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...ec, "-keyout", path("ca.key"), "-out", path("ca.crt"), "-subj", `/CN=authority ${name}`, "-days", "2");
  openssl("req", "-x509", ...ec, "-keyout", path("key"), "-out", path("crt"), "-subj", "/CN=member", "-days", "2", "-CA", path("ca.crt"), "-CAkey", path("ca.key"), "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth,clientAuth");
  const text = (file: string): string => readFileSync(path(file), "utf8");
  return {
    authority: path("ca.crt"),
    certificate: path("crt"),
    key: path("key"),
    client: { authority: text("ca.crt"), certificate: text("crt"), key: text("key") },
  };
}
