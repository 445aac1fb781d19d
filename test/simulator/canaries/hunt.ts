import { hunt } from "./broken-tree.ts";
import { CANARIES } from "./canaries.ts";

// bun test/simulator/canaries/hunt.ts [PART OF A NAME]: hunts those canaries only, one after the other.
const [part = ""] = process.argv.slice(2);
for (const canary of CANARIES.filter(({ name }) => name.includes(part))) {
  const startedMs = performance.now();
  const { caught, detail } = await hunt(canary).catch((error: Error) => ({ caught: null, detail: error.message }));
  console.log(`${canary.name}: ${caught ?? "NOT CAUGHT"}, ${((performance.now() - startedMs) / 1000).toFixed(1)} s: ${detail}`);
}
