import { drainMicrotasks } from "bun:jsc";
import type { Clock, Timer } from "../../src/platform/platform.ts";

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** The time of a whole simulated world: events in order, each with everything that promises make of it, all in one turn. */
export class SimulatedTime implements Clock {
  #nowMs = 0;
  #order = 0;
  /** A binary heap, the next event first. */
  readonly #events: Event[] = [];
  /** Called after each event: for what must hold at every instant. */
  readonly watchers: (() => void)[] = [];
  /** Names of the processes that something has happened to since the last event: only their state can have changed. */
  readonly touched = new Set<string>();

  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return this.#nowMs;
  }
  timer(delayMs: number, run: () => void): Timer {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), order: (this.#order += 1), run, cancelled: false };
    this.#push(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }
  soon(run: () => void): void {
    this.timer(0, run);
  }

  /** Lets `ms` pass. */
  pass(ms: number): void {
    const untilMs = this.#nowMs + ms;
    drainMicrotasks();
    while (this.#events[0] && this.#events[0].atMs <= untilMs) this.#step();
    this.#nowMs = untilMs;
  }

  /** Lets time pass until `reached`; false when `maxMs` were not enough. */
  until(reached: () => boolean, maxMs: number): boolean {
    const untilMs = this.#nowMs + maxMs;
    drainMicrotasks();
    while (!reached()) {
      if (!this.#events[0] || this.#events[0].atMs > untilMs) {
        this.#nowMs = untilMs;
        return reached();
      }
      this.#step();
    }
    return true;
  }

  #step(): void {
    const event = this.#pop();
    if (event.cancelled) return;
    this.#nowMs = event.atMs;
    event.run();
    drainMicrotasks();
    for (const watch of this.watchers) watch();
    this.touched.clear();
  }

  #push(event: Event): void {
    const heap = this.#events;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event {
    const heap = this.#events;
    const first = heap[0] as Event;
    const last = heap.pop() as Event;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
