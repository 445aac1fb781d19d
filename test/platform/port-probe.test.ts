import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { realClock } from "../../src/platform/clock.ts";
import { askPort } from "../../src/platform/port-probe.ts";

test("a port where somebody listens is open, and refuses as soon as nobody does", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  expect(await askPort(realClock(), "127.0.0.1", port, 1000)).toBe("open");
  await new Promise((resolve) => server.close(resolve));
  expect(await askPort(realClock(), "127.0.0.1", port, 1000)).toBe("refused");
});

test("R24: a network that cannot be reached is no refusal, nor is a name, nor an address of another kind", async () => {
  expect(await askPort(realClock(), "localhost", 1, 1000)).toBe("unknown");
  expect(await askPort(realClock(), "::1", 1, 1000)).toBe("unknown");
  // A new network namespace has no route to anywhere. Whoever may not make one has the two cases above.
  const module = join(import.meta.dir, "../../src/platform");
  const program = `import { askPort } from "${module}/port-probe.ts"; import { realClock } from "${module}/clock.ts"; console.log(await askPort(realClock(), "192.0.2.7", 1, 500));`;
  const inside = spawnSync("unshare", ["--user", "--map-root-user", "--net", process.execPath, "-e", program], { encoding: "utf8" });
  if (inside.status === 0) expect(inside.stdout.trim()).toBe("unknown");
});
