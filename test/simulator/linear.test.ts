import { describe, expect, test } from "bun:test";
import { Chance } from "./chance.ts";
import { checkRegister, type Operation } from "./linear.ts";

const write = (value: number, fromMs: number, toMs: number): Operation => ({ kind: "write", value, fromMs, toMs });
const read = (value: number, fromMs: number, toMs: number): Operation => ({ kind: "read", value, fromMs, toMs });
const lost = (value: number, fromMs: number, latestMs = Infinity): Operation => ({ kind: "write", value, fromMs, toMs: Infinity, latestMs });
const swap = (expected: number, value: number, fromMs: number, toMs: number): Operation => ({ kind: "compare-and-write", expected, value, fromMs, toMs });
const miss = (expected: number, fromMs: number, toMs: number): Operation => ({ kind: "compare-and-write", expected, value: -1, miscompared: true, fromMs, toMs });
const good = (...operations: Operation[]): void => expect(checkRegister(operations)).toBeNull();
const bad = (...operations: Operation[]): void => expect(checkRegister(operations)).not.toBeNull();

describe("the checker of a register takes", () => {
  test("reads of what was there before", () => {
    good();
    good(read(0, 0, 1));
    good(write(1, 0, 1), read(1, 2, 3), write(2, 4, 5), read(2, 6, 7));
  });
  test("either order of concurrent writes, and either value while a write is open", () => {
    good(write(1, 0, 10), write(2, 0, 10), read(1, 11, 12));
    good(write(1, 0, 10), write(2, 0, 10), read(2, 11, 12));
    good(write(1, 0, 10), read(0, 1, 2), read(1, 3, 4));
    good(write(1, 0, 10), write(2, 1, 9), read(1, 2, 3), read(2, 4, 5), read(2, 11, 12));
  });
  test("a write that was overwritten before anybody saw it", () => good(write(1, 0, 10), write(2, 1, 3), read(2, 4, 5), read(2, 11, 12)));
  test("an order that only later reads tell", () => good(write(1, 0, 20), read(1, 0, 30), write(2, 0, 5), read(2, 6, 7), read(2, 31, 32)));
  test("a lost command that happened late, or never", () => {
    good(lost(1, 0), write(2, 1, 2), read(2, 3, 4), read(1, 5, 6), read(1, 7, 8));
    good(lost(1, 0), read(0, 100, 101));
    good(lost(1, 0, 50), read(0, 10, 11), read(1, 40, 41));
  });
  test("unmaps, several of them", () => {
    good(write(1, 0, 1), write(0, 2, 3), read(0, 4, 5), write(2, 6, 7), lost(0, 8), read(2, 9, 10), read(0, 11, 12));
    good(write(1, 0, 1), write(0, 2, 9), read(1, 3, 4), read(0, 5, 6));
  });
  test("one winner of two compare-and-writes", () => {
    good(swap(0, 1, 0, 10), miss(0, 0, 10), read(1, 11, 12));
    good(write(1, 0, 1), swap(1, 2, 2, 10), swap(2, 3, 2, 10), read(3, 11, 12));
    good(write(1, 0, 10), swap(1, 2, 0, 11), read(2, 12, 13));
    good(miss(7, 0, 1));
  });
});

describe("the checker of a register refuses", () => {
  test("a lost write, and a value out of nowhere", () => {
    bad(write(1, 0, 1), read(0, 2, 3));
    bad(read(5, 0, 1));
    bad(read(1, 0, 1), write(1, 2, 3));
    bad(write(1, 0, 1), lost(0, 5), read(0, 2, 3));
  });
  test("a read that goes back", () => {
    bad(write(1, 0, 10), read(1, 1, 2), read(0, 3, 4));
    bad(write(1, 0, 1), write(2, 2, 10), read(2, 3, 4), read(1, 5, 6));
  });
  test("a write that comes back after another was acknowledged (X31)", () => bad(write(1, 0, 1), write(2, 2, 3), read(2, 4, 5), read(1, 6, 7)));
  test("a write carried out twice", () => bad(write(1, 0, 20), read(1, 1, 2), write(2, 3, 4), read(2, 5, 6), read(1, 7, 8)));
  test("two readers who do not agree on an order", () => bad(write(1, 0, 100), write(2, 0, 100), read(1, 1, 2), read(2, 3, 4), read(1, 5, 6)));
  test("a lost command after its time", () => {
    bad(lost(1, 0, 50), read(0, 60, 61), read(1, 70, 71));
    bad(lost(1, 0, 5), write(2, 6, 7), read(1, 8, 9));
    bad(write(1, 0, 1), lost(0, 2, 10), read(1, 11, 12), read(0, 13, 14));
  });
  test("two winners of one compare-and-write, and a wrong miscompare", () => {
    bad(swap(0, 1, 0, 10), swap(0, 2, 0, 10));
    bad(write(1, 0, 1), miss(1, 2, 3));
    bad(write(1, 0, 1), swap(0, 2, 2, 3));
    bad(swap(0, 1, 0, 10), miss(0, 0, 10), read(0, 11, 12));
    bad(swap(0, 1, 0, 10), write(2, 0, 3), read(2, 4, 5), swap(1, 3, 4, 9), read(2, 11, 12));
  });
});

/** Every order of the operations that keeps to their times, tried in turn. */
function bruteForce(operations: readonly Operation[]): boolean {
  const seen = new Set<string>();
  const walk = (left: readonly Operation[], value: number, nowMs: number): boolean => {
    const name = `${value} ${left.map((operation) => operations.indexOf(operation)).join(" ")}`;
    if (seen.has(name)) return false;
    if (left.every(({ toMs }) => toMs === Infinity)) return true;
    const firstEndMs = Math.min(...left.map(({ toMs }) => toMs));
    for (const operation of left) {
      const { kind, fromMs, expected, miscompared, latestMs } = operation;
      const atMs = Math.max(nowMs, fromMs);
      if (fromMs > firstEndMs || atMs > (latestMs ?? Infinity)) continue;
      const rest = left.filter((other) => other !== operation);
      if (kind === "read" ? operation.value !== value : kind === "compare-and-write" && (miscompared ? value === expected : value !== expected)) continue;
      if (walk(rest, kind === "read" || miscompared ? value : operation.value, atMs)) return true;
    }
    seen.add(name);
    return false;
  };
  return walk(operations, 0, 0);
}

test("the checker of a register agrees with trying every order, on short random histories", () => {
  const chance = new Chance(1, "histories");
  const verdicts = { good: 0, bad: 0 };
  for (let round = 0; round < 40_000; round += 1) {
    const operations: Operation[] = [];
    let last = 0;
    const longest = chance.pick([4, 8, 14]);
    for (let i = 0, count = 2 + chance.below(7); i < count; i += 1) {
      const fromMs = chance.below(12) * 2;
      const toMs = fromMs + 1 + chance.below(longest) * 2;
      const kind = chance.float();
      if (kind < 0.3) operations.push(write((last += 1), fromMs, toMs));
      else if (kind < 0.4) operations.push(write(0, fromMs, toMs));
      else if (kind < 0.5) operations.push(lost(chance.happens(0.3) ? 0 : (last += 1), fromMs, chance.happens(0.5) ? toMs : Infinity));
      else if (kind < 0.6) operations.push(swap(chance.below(last + 1), (last += 1), fromMs, toMs));
      else if (kind < 0.65) operations.push(miss(chance.below(last + 1), fromMs, toMs));
      else operations.push(read(chance.below(last + 1), fromMs, toMs));
    }
    const expected = bruteForce(operations);
    verdicts[expected ? "good" : "bad"] += 1;
    if ((checkRegister(operations) === null) !== expected) throw new Error(`it should be ${expected ? "good" : "bad"}: ${JSON.stringify(operations)}`);
  }
  expect(Math.min(verdicts.good, verdicts.bad)).toBeGreaterThan(1000);
});
