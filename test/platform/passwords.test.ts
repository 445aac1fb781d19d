import { expect, test } from "bun:test";
import { realPasswords } from "../../src/platform/passwords.ts";

test("a password is kept as argon2id, and known again however its letters are composed", async () => {
  const passwords = realPasswords();
  const hash = await passwords.hash("pass\u00e9 \u00fcber alles");
  expect(hash).toMatch(/^\$argon2id\$v=19\$m=32768,t=3,p=1\$/);
  expect(await passwords.verify("passe\u0301 u\u0308ber alles", hash)).toBe(true);
  expect(await passwords.verify("pass\u00e9 \u00fcber allez", hash)).toBe(false);
  expect(await passwords.hash("a")).not.toBe(await passwords.hash("a"));
});

test("a hash that cannot be read fits no password", async () => {
  for (const hash of ["", "x", "$argon2id$", "$2b$10$abc"]) expect(await realPasswords().verify("x", hash)).toBe(false);
});
