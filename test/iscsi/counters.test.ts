import { expect, test } from "bun:test";
import { BUCKETS, Counters } from "../../src/iscsi/counters.ts";
import { LATENCY_BUCKETS } from "../../src/cluster/statistics.ts";
import { startTarget } from "./fixture.ts";
import { RawInitiator } from "./raw-initiator.ts";

test("commands are counted by kind, with their bytes, failures and time", async () => {
  const fixture = await startTarget();
  try {
    const host = await RawInitiator.loggedIn(fixture.port, { keys: [["ImmediateData", "Yes"]] });
    host.command("2a 00 00000000 00 0001 00", { flags: 0xa0, expected: 512, data: Buffer.alloc(512, 7) });
    await host.next();
    for (const lba of ["00000000", "00000001"]) {
      host.command(`28 00 ${lba} 00 0001 00`, { flags: 0xc0, expected: 512 });
      await host.next();
    }
    // Beyond the end.
    host.command("28 00 7fffffff 00 0001 00", { flags: 0xc0, expected: 512 });
    await host.next();
    host.command("00 00 00 00 00 00", { flags: 0x80 });
    await host.next();
    const { reads, writes, others } = fixture.target.counters;
    expect([reads.commands, reads.failed, reads.bytes]).toEqual([3, 1, 1024]);
    expect([writes.commands, writes.failed, writes.bytes]).toEqual([1, 0, 512]);
    expect(others.commands).toBe(1);
    expect(reads.buckets.reduce((sum, count) => sum + count, 0)).toBe(3);
    expect(fixture.target.sessions()[0]?.sinceMs).toBeGreaterThan(1e12);
    host.destroy();
  } finally {
    await fixture.stop();
  }
});

test("a command falls into the bucket of its time, the longest into the last", () => {
  let nowMs = 0;
  const counters = new Counters({ nowMs: () => nowMs, wallMs: () => 0, timer: () => ({ cancel: () => {} }), soon: () => {} });
  for (const microseconds of [0, 1, 63, 64, 1_000_000, 3_600_000_000]) {
    const startedMs = counters.started();
    nowMs += microseconds / 1000;
    counters.ended(0x88, 0, startedMs, true);
  }
  const filled = [...counters.reads.buckets].flatMap((count, index) => (count > 0 ? [[index, count]] : []));
  expect(filled).toEqual([[0, 1], [1, 1], [6, 1], [7, 1], [20, 1], [25, 1]]);
  expect(BUCKETS).toBe(LATENCY_BUCKETS);
});
