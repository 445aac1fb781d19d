import { describe, expect, test } from "bun:test";
import { liveMode } from "../../src/platform/live.ts";

describe("a machine that was not started from the installation medium", () => {
  test("shows an installed server's console", async () => expect(await liveMode()).toBe("installed"));
});
