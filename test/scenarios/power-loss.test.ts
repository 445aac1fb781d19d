import { expect } from "bun:test";
import { join } from "node:path";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { story } from "./needs.ts";
import { PowerDomain } from "./power.ts";
import { TrialUnderTest } from "./trial-under-test.ts";

for (const store of ["etcd", "sqlite"] as const) {
  // All that a server has, its member of etcd too, lies on the XFS whose power is cut; the embedded store on one of its own.
  const directories = ["server1", "server2", "server3", ...(store === "sqlite" ? ["store"] : [])];
  story(`when all servers lose power at once, all that was acknowledged is there afterwards, with ${store}`, ["XFS on loop devices", ...(store === "etcd" ? ["etcd" as const] : [])], async () => {
    const power = await PowerDomain.make();
    const prepare = async (directory: string): Promise<void> => {
      for (const name of directories) await power.mount(join(directory, name));
    };
    const trial = await TrialUnderTest.make({ store, drives: 1, prepare, release: () => power.remove() });
    try {
      const client = await startLoad(trial);
      await client.progress(2_000);
      // Twice: the second time in the state that the first has left behind.
      for (const time of ["first", "second"]) {
        // The processes first: a disk that answers with errors for a moment is another story.
        expect(trial.killEverything()).toBeGreaterThan(trial.servers.length);
        await power.cut();
        await power.restore();
        await trial.up();
        await client.progress(1_000);
        noteInterval(client, `power cut for the ${time} time, with ${store}`);
      }
      await expectAllThere(trial, client);
    } finally {
      await trial.wipe();
    }
  });
}
