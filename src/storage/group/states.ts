/*
 *                promise over, death, or named primary
 *   following ---------------------------------------> proposing
 *       ^  ^                                             |   |
 *       |  +------------- refused (R8) ------------------+   | won
 *       |                                                    v
 *       +------ higher epoch seen, handed over ---------- peering ---> serving ---> handing-over
 *       |                                                    ^            |              |
 *       |                                                    +- refused --+              |
 *       +--------------------------------------------------------------------------------+
 */
export type GroupState = "following" | "proposing" | "peering" | "serving" | "handing-over";
export const MOVES: Record<GroupState, readonly GroupState[]> = {
  following: ["proposing"],
  proposing: ["peering", "following"],
  peering: ["serving", "following"],
  serving: ["handing-over", "following"],
  "handing-over": ["serving", "following"],
};
