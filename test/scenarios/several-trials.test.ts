import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { expectReadable, startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";
import type { TrialReport } from "../../src/trial/report.ts";

test("two trials side by side know nothing of each other", async () => {
  const one = await TrialUnderTest.make();
  const two = await TrialUnderTest.make({ drives: 1 }).catch(async (error: unknown) => {
    await one.wipe();
    throw error;
  });
  try {
    expect(two.report.target).not.toBe(one.report.target);
    const client = await startLoad(one);
    const other = await startLoad(two);
    expect(one.killEverything()).toBeGreaterThan(0);
    await other.progress(500);
    expect((await two.status()).health.state).toBe("healthy");
    await one.up();
    await client.progress(300);
    // Each reads its own content alone.
    await Promise.all([client.stop(), other.stop()]);
    await expectReadable(one, client);
    await expectReadable(two, other);
    await one.wipe();
    expect(existsSync(one.directory)).toBe(false);
    expect((await two.status()).health.state).toBe("healthy");
  } finally {
    await two.wipe();
    await one.wipe();
  }
}, SCENARIO_MS);

test("a trial on given addresses tells what it is made of, and keeps its data while it is down", async () => {
  const addresses = ["127.0.1.1", "127.0.1.2", "127.0.1.3"];
  const trial = await TrialUnderTest.make({ addresses, processes: "separate", drives: 2 });
  try {
    const report = (await trial.json("trial", "status")) as TrialReport & { health: { state: string } };
    expect(report.health.state).toBe("healthy");
    expect(report.dir).toBe(trial.directory);
    expect(report.servers.map(({ name, address }) => [name, address])).toEqual(addresses.map((address, index) => [`server${index + 1}`, address]));
    for (const { address, api, portal, pids } of report.servers) {
      const ports = [api, portal].map((text) => Number(text.slice(text.lastIndexOf(":") + 1)));
      expect(ports.every((port) => port >= trial.portBase && port < trial.portBase + 50)).toBe(true);
      expect([api.includes(address), portal.includes(address)]).toEqual([true, true]);
      // Supervisor, two drives, iSCSI, monitor, management.
      expect(pids).toHaveLength(6);
    }
    const client = await startLoad(trial);
    await client.progress(1000);
    await client.stop();

    await trial.must("trial", "down");
    expect(trial.processes()).toEqual([]);
    const down = (await trial.json("trial", "status")) as TrialReport & { health: unknown };
    expect([down.health, down.servers.flatMap(({ pids }) => pids)]).toEqual([null, []]);

    await trial.up();
    await expectReadable(trial, client);
    const again = client.successor();
    again.start();
    await again.progress(200);
    await again.stop();
    await expectReadable(trial, again);
  } finally {
    await trial.wipe();
  }
  expect(existsSync(trial.directory)).toBe(false);
}, SCENARIO_MS);
