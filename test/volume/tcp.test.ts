import { afterEach, expect, test } from "bun:test";
import type { Instance } from "../../src/base/ids.ts";
import type { Listener } from "../../src/platform/platform.ts";
import { realClock } from "../../src/platform/clock.ts";
import { realNetwork } from "../../src/platform/network.ts";
import { realRandom } from "../../src/platform/random.ts";
import { Gateway } from "../../src/volume/gateway.ts";
import type { Volume } from "../../src/volume/volume.ts";
import { listenForChannels } from "../../src/wire/acceptor.ts";
import { TcpDialer } from "../../src/wire/dialer.ts";
import { fakePlatform } from "./fake-platform.ts";
import { DRIVES, FakeContent, FakeDrive, fakeMap, VOLUME } from "./fake-storage.ts";
import { pattern } from "./world.ts";

const CLUSTER = "0123456789abcdef0123456789abcdef";
const KEY = new Uint8Array(32).fill(7);
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

async function cluster(): Promise<{ volume: Volume; drives: FakeDrive[]; content: FakeContent }> {
  const clock = realClock();
  const platform = fakePlatform(clock, { network: realNetwork(), random: realRandom() });
  const content = new FakeContent();
  const drives = DRIVES.map((id) => new FakeDrive(id, 3, content, () => clock.nowMs()));
  const listeners: Listener[] = [];
  for (const drive of drives) {
    listeners.push(
      await listenForChannels(platform, { address: "127.0.0.1", port: 0 }, {
        driveId: drive.id, instance: drive.instance, clusterId: CLUSTER, clusterKey: KEY,
        refuse: () => null,
        accept: (channel) => drive.accept(channel),
      }),
    );
  }
  const instance = 4711 as Instance;
  const dialer = new TcpDialer(platform, { self: { kind: "gateway", id: "4711", instance }, clusterId: CLUSTER, incarnation: () => 1, clusterKey: KEY });
  const gateway = new Gateway(platform, fakeMap(drives, listeners.map((listener) => listener.port)), dialer, instance);
  stops.push(() => {
    gateway.close();
    for (const listener of listeners) listener.close();
  });
  return { volume: gateway.volume(VOLUME) as Volume, drives, content };
}

test("a volume reads back over TCP what was written over TCP", async () => {
  const { volume } = await cluster();
  const data = pattern(9 * 1024 * 1024 + 512, 5);
  expect(await volume.write(7, data)).toEqual({ ok: true, value: null });
  expect(await volume.unmap(1000, 3000)).toEqual({ ok: true, value: null });
  data.fill(0, (1000 - 7) * 512, (4000 - 7) * 512);
  const read = await volume.read(7, data.length / 512);
  expect(read.ok && read.value.equals(data)).toBe(true);
  const part = await volume.read(9, 3);
  expect(part.ok && part.value.equals(data.subarray(2 * 512, 5 * 512))).toBe(true);
});

test("writes are carried out once each though their channels are cut again and again", async () => {
  const { volume, drives, content } = await cluster();
  let count = 0;
  for (const drive of drives) {
    drive.behave = () => {
      count += 1;
      if (count % 7 !== 0) return "serve";
      setTimeout(() => drive.dropChannels(), 1);
      return "swallow-reply";
    };
  }
  const datas = Array.from({ length: 60 }, (_, i) => pattern(8192, i));
  const results = await Promise.all(datas.map((data, i) => volume.write(i * 16 + (i % 3) * 8192, data)));
  expect(results.every((result) => result.ok)).toBe(true);
  expect([...content.executions.values()].every((times) => times === 1)).toBe(true);
  for (const drive of drives) drive.behave = () => "serve";
  const reads = await Promise.all(datas.map((_, i) => volume.read(i * 16 + (i % 3) * 8192, 16)));
  expect(reads.every((read, i) => read.ok && read.value.equals(datas[i] as Buffer))).toBe(true);
});
