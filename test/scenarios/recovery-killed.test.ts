import { test } from "bun:test";
import type { GroupsAnswer } from "../../src/management/api.ts";
import { expectTwoEqualCopies } from "./copies.ts";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { note, SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

/** What a server that watches sees of each phase, in their order; a phase that has passed between two looks counts as seen. */
const PHASES: readonly { readonly name: string; readonly isNow: (groups: GroupsAnswer) => boolean }[] = [
  { name: "learners are named", isNow: (groups) => groups.recovering > 0 || isOver(groups) },
  { name: "ranges are being copied", isNow: (groups) => groups.recoveryCopiedBytes > 0 || isOver(groups) },
  { name: "the first learners are members", isNow: (groups) => groups.short < groups.total / 3 },
  { name: "all are members, and primaries move back", isNow: isOver },
];
function isOver(groups: GroupsAnswer): boolean {
  return groups.recovering === 0 && groups.short === 0;
}
const VICTIMS: readonly { readonly who: string; readonly server: string }[] = [
  { who: "the learners' process", server: "server2" },
  { who: "a primaries' process", server: "server1" },
];

for (const { who, server } of VICTIMS) {
  test(`${who} is killed in every phase of a recovery, and in the end every copy is whole`, async () => {
    const trial = await TrialUnderTest.make({ drives: 1 });
    try {
      // Many blocks: recovery has something to do, and takes its time.
      const client = await startLoad(trial, { commandsPerSecondMax: 1_000 });
      for (const { name, isNow } of PHASES) {
        await trial.must("trial", "kill-server", "server2");
        await trial.seen("server3", "short", ({ groups }) => groups.short > 0);
        await client.progress(2_000);
        await trial.must("trial", "start-server", "server2");
        const { groups } = await trial.seen("server3", name, (status) => isNow(status.groups));
        process.kill(trial.processOf(server, "storage").pid, "SIGKILL");
        note(`${who} killed when ${name}: ${groups.short} groups short, ${groups.recovering} recovering, ${groups.recoveryCopiedBytes} bytes copied`);
        await client.progress(300);
        await trial.health("healthy");
        client.failBack();
        noteInterval(client, `${who} killed when ${name}`);
      }
      // Healthy is said while primaries move back, one group at a time.
      await trial.seen("server3", "every group serves with all its copies", ({ groups }) => groups.short === 0 && groups.recovering === 0 && groups.serving === groups.total);
      await expectAllThere(trial, client);
      await trial.must("trial", "down");
      await expectTwoEqualCopies(trial, client);
    } finally {
      await trial.wipe();
    }
  }, SCENARIO_MS);
}
