import { expect } from "bun:test";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { story } from "./needs.ts";
import { TestNetwork } from "./network.ts";
import { TrialUnderTest } from "./trial-under-test.ts";

/** [down, up] of each turn: shorter and longer than a member's patience (1.5 s), a lease (2 s) and a store lease (5 s). */
const TURNS_MS: readonly (readonly [number, number])[] = [
  ...Array.from({ length: 10 }, (): [number, number] => [1_000, 1_000]),
  ...Array.from({ length: 4 }, (): [number, number] => [2_200, 700]),
  ...Array.from({ length: 10 }, (): [number, number] => [200, 300]),
];
const HOST_PATIENCE_MS = 3_000;

story("a link that flaps costs no host an error or a write", ["network namespaces", "etcd"], async () => {
  const network = TestNetwork.make();
  try {
    const trial = await TrialUnderTest.make({ drives: 1, store: "etcd", netns: network.namespaces, addresses: network.addresses });
    try {
      const client = await startLoad(trial, { blocks: 8_192, commandTimeoutMs: HOST_PATIENCE_MS });
      for (const [downMs, upMs] of TURNS_MS) {
        network.unplug(1);
        await Bun.sleep(downMs);
        network.plug(1);
        await Bun.sleep(upMs);
      }
      await client.progress(300);
      noteInterval(client, `the link of server2 down and up ${TURNS_MS.length} times`);
      await trial.health("healthy");
      client.failBack();
      await client.progress(300);
      await expectAllThere(trial, client);
    } finally {
      await trial.wipe();
    }
  } finally {
    network.remove();
  }
});

story("two servers that hear each other in one direction alone, or not at all, cost no host an error or a write", ["network namespaces", "etcd"], async () => {
  const network = TestNetwork.make();
  try {
    const trial = await TrialUnderTest.make({ drives: 1, store: "etcd", netns: network.namespaces, addresses: network.addresses });
    try {
      const client = await startLoad(trial, { blocks: 8_192, commandTimeoutMs: HOST_PATIENCE_MS });
      const cases: readonly [string, () => void, () => void][] = [
        ["server1 cannot be heard by server2", () => network.deafen(0, 1), () => network.hear(0, 1)],
        ["server2 cannot be heard by server1", () => network.deafen(1, 0), () => network.hear(1, 0)],
        ["server1 and server2 do not hear each other", () => network.part(0, 1), () => network.rejoin(0, 1)],
      ];
      for (const [name, break_, mend] of cases) {
        break_();
        await Bun.sleep(8_000);
        await client.progress(300);
        const lacking = await trial.seen("server3", "short of a copy", ({ groups }) => groups.short > 0);
        expect(lacking.store.answering).toBe(true);
        mend();
        await trial.health("healthy");
        noteInterval(client, name);
        client.failBack();
        await client.progress(300);
      }
      await expectAllThere(trial, client);
    } finally {
      await trial.wipe();
    }
  } finally {
    network.remove();
  }
});
