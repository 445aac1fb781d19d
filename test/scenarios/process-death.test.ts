import { expect, test } from "bun:test";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

const ROLES: readonly { readonly role: string; readonly whatHappens: string }[] = [
  { role: "storage", whatHappens: "hosts wait a moment" },
  { role: "iscsi", whatHappens: "hosts take another portal" },
  { role: "monitor", whatHappens: "hosts notice nothing" },
  { role: "management", whatHappens: "hosts notice nothing" },
];

test("a killed process is started again by its supervisor, and no host loses a write", async () => {
  const trial = await TrialUnderTest.make();
  try {
    const client = await startLoad(trial);
    for (const { role, whatHappens } of ROLES) {
      const before = trial.processOf("server1", role);
      process.kill(before.pid, "SIGKILL");
      await client.progress(300);
      await trial.health("healthy");
      const after = trial.processes().filter(({ command }) => command === before.command);
      expect(after.map(({ pid }) => pid)).not.toContain(before.pid);
      expect(after).toHaveLength(1);
      noteInterval(client, `${role} process of server1 killed (${whatHappens})`);
      client.failBack();
    }
    expect(trial.hasLogged("server1", "storage-", "ended (SIGKILL) and is started again")).toBe(true);
    await expectAllThere(trial, client);
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
