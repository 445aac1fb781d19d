import { awaitFence } from "../cluster/fence.ts";
import type { ApiContext } from "./app.ts";
import { Problem } from "./problem.ts";

/** A number that no other fence has. */
export function fenceId({ platform }: ApiContext): number {
  return platform.random.id();
}

/** R26: returns when every portal is accounted for. `done`: what is so already, and `that` what is to be confirmed, for the sentence when one does not. */
export async function allPortals({ store, platform, view }: ApiContext, fence: number, done: string, that = "has stopped serving it"): Promise<void> {
  const left = await awaitFence({ store, clock: platform.clock }, fence);
  if (left.length === 0) return;
  const servers = [...new Set(left.map(({ server }) => server))].sort().join(", ");
  const heldUpBy = [...new Set(left.flatMap((portal) => portal.heldUpBy))].map((drive) => `${drive} of ${view.map.drives.get(drive)?.server ?? "an unknown server"}`).sort();
  const what = `${done}, but the portal of ${servers} has not confirmed that it ${that}`;
  if (heldUpBy.length === 0) throw new Problem("portals-silent", `${what}. Start that server or connect it to the cluster store again, then repeat the command.`);
  const DRIVES_NAMED_MAX = 3; // more would drown the sentence
  const drives = heldUpBy.length > DRIVES_NAMED_MAX ? `${heldUpBy.length} drives` : `drive ${heldUpBy.join(" and ")}`;
  throw new Problem("portals-silent", `${what}, and ${drives}, where groups have their primary, may still take writes from it: they have not said that they shut it out. Start those servers or connect them to the cluster store again, then repeat the command.`);
}
