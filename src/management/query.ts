import { Problem } from "./problem.ts";

/** A whole number of a URL's query; `fallback` when it is not there. Throws a `Problem` for anything else. */
export function wholeNumber(query: URLSearchParams, name: string, min: number, max: number, fallback: number): number {
  const text = query.get(name);
  if (text === null) return fallback;
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new Problem("bad-request", `${name} is a whole number from ${min} to ${max}.`);
  return value;
}
