import { afterEach, describe, expect, test } from "bun:test";
import { Recorder, put, reads, storeContract, succeeded, until } from "../../contracts/store-contract.ts";
import { EtcdCluster } from "./etcd-cluster.ts";

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
    const client = cluster.client(1);
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
    const [client, other] = [cluster.client(1), cluster.client(2)];
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
    const client = cluster.client();
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
