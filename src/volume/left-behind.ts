import { LEFT_BEHIND_MS } from "../cluster/fence.ts";
import type { Clock } from "../platform/platform.ts";
import type { Piece } from "./piece.ts";

/**
 * R26: changes that were given up after they had been sent and without an answer, as when a host has gone and then the channel breaks. One of
 * them may lie in a socket or wait at a primary, and is taken there until it is too old (R15).
 */
export class LeftBehind {
  readonly #clock: Clock;
  #lastMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A piece ends with an error. */
  ended(piece: Piece): void {
    if (piece.command.kind !== "read" && (piece.doubtful || piece.state === "sent" && piece.link !== null)) this.#lastMs = this.#clock.nowMs();
  }

  /** Something may still be taken. */
  get any(): boolean {
    return this.#clock.nowMs() - this.#lastMs < LEFT_BEHIND_MS;
  }
  /** Resolves when nothing of what has been given up by now is taken any more. */
  async settled(): Promise<void> {
    const untilMs = this.#lastMs + LEFT_BEHIND_MS;
    const waitMs = untilMs - this.#clock.nowMs();
    if (waitMs > 0) await new Promise<void>((resolve) => void this.#clock.timer(waitMs, resolve));
  }
}
