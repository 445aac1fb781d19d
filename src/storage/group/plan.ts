import type { Group } from "./group.ts";
import type { GroupHost } from "./host.ts";
import type { Term } from "./term.ts";

/** A hand-over to the wanted primary waits until the group has been quiet for this long: no ping-pong while servers come and go. */
const HAND_OVER_AFTER_MS = 5000;
const since = new WeakMap<Term, number>();

/** The primary brings its group one step nearer to the monitor's wish. */
export function enact(group: Group, host: GroupHost, term: Term): void {
  const plan = host.plan(group.id);
  if (!plan || group.state !== "serving") return;
  const { members, learners } = term.config;
  const missing = plan.wanted.filter((drive) => !members.includes(drive));
  const named = missing.filter((drive) => !learners.includes(drive) && host.driveIsUp(drive));
  const unwanted = learners.filter((drive) => !plan.wanted.includes(drive));
  if (named.length > 0 || unwanted.length > 0) {
    group.changeConfig({ learners: [...learners.filter((drive) => !unwanted.includes(drive)), ...named] }, "the plan names other learners");
    return;
  }
  const extra = members.filter((drive) => !plan.wanted.includes(drive));
  const wantedPrimary = plan.wanted[0];
  if (missing.length > 0 || wantedPrimary === undefined) return void since.delete(term);
  // R12: a copy leaves only when all wanted ones remain without it; the primary itself leaves by handing over first.
  const removable = extra.filter((drive) => drive !== host.driveId);
  if (removable.length > 0 && !group.serving?.hasLeases()) return;
  if (removable.length > 0) return void group.changeConfig({ members: members.filter((drive) => !removable.includes(drive)) }, "the group is whole without these drives");
  if (wantedPrimary === host.driveId) return;
  const now = host.clock.nowMs();
  const quietSince = since.get(term) ?? now;
  since.set(term, quietSince);
  if (now - quietSince < HAND_OVER_AFTER_MS || !host.driveIsUp(wantedPrimary) || !group.serving?.hasLeases()) return;
  if (!host.handOverSlot()) return;
  group.handOver({ primary: wantedPrimary, primaryInstance: 0 as never }, "the plan wants another primary");
}
