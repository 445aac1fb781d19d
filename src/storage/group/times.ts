import { assert } from "../../base/assert.ts";

/** protocol, Times. */
export const BEACON_MS = 500;
export const LEASE_MS = 2000;
export const REPLICATE_TIMEOUT_MS = 1500;
export const GRACE_MS = 3000;
/** A1: clocks of two servers advance at rates within this. */
const DRIFT = 0.01;
assert(LEASE_MS * (1 + DRIFT) < GRACE_MS * (1 - DRIFT), "A1: a lease ends before the grace that it relies on");
/** R19: after the machine's boot, so that normally both copies of a group are back before one goes on alone. */
export const BOOT_WAIT_MS = 15_000;
/** A tick that comes this late means that this process stalled: silence of others proves nothing yet. */
export const STALL_MS = 1000;
/** This replica's own journal has yet to catch up with what it appended. */
export const PEERING_AGAIN_MS = 10;
/** No member is known to be whole: others may come back. */
export const NO_WHOLE_COPY_AGAIN_MS = 5000;
/** A hand-over that cannot end its writes in this time is given up: a member that died must be removed first. */
export const HAND_OVER_MAX_MS = 1000;
/** The commit point is made durable this often. */
export const SAVE_COMMITTED_MS = 1000;
/** A fence without an answer (the other was proposing itself, say) is sent again. */
export const FENCE_AGAIN_MS = 1000;
/** R19: a process this young waits longer for the members of its groups: after a power loss all are on their way. */
export const YOUNG_MS = 10_000;
export const YOUNG_PATIENCE_MS = 5000;
/** A replica that the config no longer names is dropped only after it was seen so for this long (R12). */
export const FORGET_AFTER_MS = 10_000;
