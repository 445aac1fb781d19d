import { expect, test } from "bun:test";
import { derivedKey, realSealer } from "../../src/platform/seal.ts";

const KEY = new Uint8Array(32).fill(1);

test("a secret opens with its key and for what it is about, and with nothing else", () => {
  const sealer = realSealer(KEY);
  for (const secret of ["", "a secret", "ü€𝄞", "x".repeat(1000)]) {
    const sealed = sealer.seal(secret, "about");
    expect(secret === "" || !sealed.includes(secret)).toBe(true);
    expect(realSealer(KEY).open(sealed, "about")).toBe(secret);
    expect(sealer.open(sealed, "something else")).toBeNull();
    expect(realSealer(new Uint8Array(32).fill(2)).open(sealed, "about")).toBeNull();
  }
  expect(sealer.seal("same", "about")).not.toBe(sealer.seal("same", "about"));
});

test("whatever is changed of it, it does not open", () => {
  const sealer = realSealer(KEY);
  const sealed = Buffer.from(sealer.seal("a secret", "about").slice("sealed:1:".length), "base64");
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(sealer.open(`sealed:1:${changed.toString("base64")}`, "about")).toBeNull();
    expect(sealer.open(`sealed:1:${sealed.subarray(0, at).toString("base64")}`, "about")).toBeNull();
  }
});

test("its form, as it lies in the store", () => {
  expect(realSealer(KEY).open("sealed:1:AAAAAAAAAAAAAAAAf8K0J7uDJ5SA", "about")).toBeNull();
  expect(Buffer.from(derivedKey(KEY, "secrets in the cluster store")).toString("hex")).toMatchInlineSnapshot(`"1c19d7da203ea6f255ef29f292a9589730a0c3f83670993cf5151f936e4be184"`);
  expect(derivedKey(KEY, "a")).not.toEqual(derivedKey(KEY, "b"));
});
