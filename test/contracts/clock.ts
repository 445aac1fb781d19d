import { expect, test } from "bun:test";
import type { Clock } from "../../src/platform/platform.ts";

/** What every Clock promises. `advance` lets at least that much of its time pass. */
export function clockContract(name: string, make: () => { clock: Clock; advance(ms: number): Promise<void> }): void {
  test(`${name}: time never goes back and has a fraction of a millisecond`, async () => {
    const { clock, advance } = make();
    let last = clock.nowMs();
    for (let i = 0; i < 1000; i++) {
      const now = clock.nowMs();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
    await advance(3);
    expect(clock.nowMs()).toBeGreaterThan(last);
    expect(clock.wallMs()).toBeGreaterThan(0);
  });

  test(`${name}: timers fire once, in the order of their times, and not before`, async () => {
    const { clock, advance } = make();
    const start = clock.nowMs();
    const fired: string[] = [];
    const early: number[] = [];
    const set = (label: string, delayMs: number): void => {
      clock.timer(delayMs, () => {
        fired.push(label);
        if (clock.nowMs() - start < delayMs - 1) early.push(delayMs);
      });
    };
    set("late", 60);
    set("soon", 10);
    set("middle", 35);
    expect(fired).toEqual([]);
    while (fired.length < 3) await advance(20);
    await advance(70);
    expect(fired).toEqual(["soon", "middle", "late"]);
    expect(early).toEqual([]);
  });

  test(`${name}: a cancelled timer never fires, and cancelling twice is harmless`, async () => {
    const { clock, advance } = make();
    let fired = 0;
    const first = clock.timer(5, () => fired++);
    const second = clock.timer(5, () => fired++);
    first.cancel();
    first.cancel();
    await advance(15);
    while (fired === 0) await advance(5);
    second.cancel();
    await advance(15);
    expect(fired).toBe(1);
  });

  test(`${name}: a timer of months does not fire at once`, async () => {
    const { clock, advance } = make();
    let fired = false;
    const timer = clock.timer(2 ** 32, () => (fired = true));
    await advance(10);
    timer.cancel();
    expect(fired).toBe(false);
  });

  test(`${name}: what is put off is not run inside the call, but soon after, in order`, async () => {
    const { clock, advance } = make();
    const order: number[] = [];
    clock.soon(() => order.push(1));
    clock.soon(() => order.push(2));
    expect(order).toEqual([]);
    await advance(1);
    while (order.length < 2) await advance(1);
    expect(order).toEqual([1, 2]);
  });
}
