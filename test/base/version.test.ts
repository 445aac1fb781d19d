import { expect, test } from "bun:test";
import { VERSION } from "../../src/base/version.ts";
import manifest from "../../package.json";

test("the version that programs are told is the package's", () => {
  expect(VERSION).toBe(manifest.version);
});
