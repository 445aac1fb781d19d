import { awaitFence } from "../cluster/fence.ts";
import type { ApiContext } from "./app.ts";
import { Problem } from "./problem.ts";

/** A number that no other fence has. */
export function fenceId({ platform }: ApiContext): number {
  return platform.random.id();
}

/** R26: returns when every portal is accounted for. `done`: what is so already, for the sentence when one is not. */
export async function allPortals({ store, platform }: ApiContext, fence: number, done: string): Promise<void> {
  const left = await awaitFence({ store, clock: platform.clock }, fence);
  if (left.length === 0) return;
  const servers = [...new Set(left.map(({ server }) => server))].sort().join(", ");
  throw new Problem("portals-silent", `${done}, but the portal of ${servers} has not confirmed that it has stopped serving it. Start that server or connect it to the cluster store again, then repeat the command.`);
}
