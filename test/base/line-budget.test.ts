import { expect, test } from "bun:test";
import { LineBudget } from "../../src/base/line-budget.ts";

test("twenty lines in ten seconds are written, and the next one after that tells how many were not", () => {
  const budget = new LineBudget();
  const taken = Array.from({ length: 30 }, (_, n) => budget.take(n));
  expect(taken).toEqual([...Array(20).fill(0), ...Array(10).fill(null)]);
  expect(budget.take(9_999)).toBeNull();
  expect(budget.take(10_000)).toBe(11);
  expect(budget.take(10_001)).toBe(0);
});
