import { realPlatform } from "../../../src/platform/real.ts";
import { etcdStore } from "../../../src/platform/store/etcd.ts";
import { Recorder, put, succeeded, until } from "../../contracts/store-steps.ts";

// Compiled by etcd.test.ts, to show that nothing is missing in an executable: compiled-main PORT
const platform = realPlatform({ name: "compiled", logLevel: "silent" });
const store = etcdStore({ platform, endpoints: [{ address: "127.0.0.1", port: Number(process.argv[2]) }] });
const seen = new Recorder();
store.watch("", seen);
const lease = await store.lease(2_000);
const outcomes = await Promise.all(Array.from({ length: 512 }, (_, index) => put(store, `pg/${index}`, "{}", 0)));
outcomes.forEach(succeeded);
succeeded(await store.transact({ compares: [], puts: [{ key: "leased", value: "", lease }] }));
await until(() => seen.state.size === 513);
await lease.revoke();
await until(() => seen.state.size === 512);
const { user, system } = process.cpuUsage();
await store.close();
console.log(JSON.stringify({ entries: seen.state.size, gaps: seen.gaps, cpuMs: Math.round((user + system) / 1000) }));
process.exit(0);
