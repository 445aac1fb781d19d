import { afterEach, describe, expect, test } from "bun:test";
import { KeyParser } from "../../../src/console/widgets/keys.ts";
import { choicesOf, devicesOf } from "../../../src/installer/drives.ts";
import type { Choice } from "../../../src/installer/installation.ts";
import { InstallerApp } from "../../../src/installer/screens/app.tsx";
import { openScreen, type TestScreen } from "../../console/screen.ts";
import { installByKeys, type ConsoleKeys } from "../../system/image/install-keys.ts";
import { PROBES, SERVER } from "../lsblk-answers.ts";

let screen: TestScreen;
afterEach(() => screen.close(), 30_000);

/** The serial line of a machine that shows the installer. `fail`: what its installation says. */
function machine(installed: Choice[], fail: string | null = null): ConsoleKeys {
  const facts = {
    cpuModel: "a processor", cpuFlags: ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"], cpuCount: 2, memoryBytes: 2 ** 31, uefi: false,
    adapters: [], drives: choicesOf(devicesOf(SERVER, PROBES)),
  };
  screen = openScreen(
    <InstallerApp
      services={{
        version: "0.1.0",
        readMachine: () => Promise.resolve(facts),
        install: (choice) => {
          installed.push(choice);
          return fail === null ? Promise.resolve({ version: "0.1.0" }) : Promise.reject(new Error(fail));
        },
        restart: () => Promise.resolve(),
        powerOff: () => Promise.resolve(),
        lookAround: () => Promise.resolve(),
      }}
    />,
  );
  const parser = new KeyParser();
  return {
    send: (keys) => parser.feed(keys).forEach(({ name, text }) => (name === "text" ? screen.type(text) : screen.press(name))),
    async expect(pattern) {
      await screen.shows(pattern);
      const match = pattern.exec(screen.text());
      if (match === null) throw new Error(`${pattern} was on the screen and is gone`);
      return match;
    },
  };
}

describe("the keys that install a virtual machine", () => {
  test("are the installer's: an empty drive further down the list is found by its serial number", async () => {
    const installed: Choice[] = [];
    expect(await installByKeys(machine(installed), { serial: "W4700ABC", holds: "nothing" })).toBeGreaterThan("erase".length + 3);
    expect(installed.map(({ drive, mode }) => [drive.device, mode])).toEqual([["/dev/sdb", "erase"]]);
  }, 60_000);
  test("keep the state of an earlier system", async () => {
    const installed: Choice[] = [];
    await installByKeys(machine(installed), { serial: "OLDSYS1", holds: "system" });
    expect(installed.map(({ drive, mode }) => [drive.device, mode])).toEqual([["/dev/sdd", "keep-state"]]);
  }, 60_000);
  test("tell why an installation failed", async () => {
    await expect(installByKeys(machine([], "Copying the system failed."), { serial: "S45PNA0M", holds: "nothing" })).rejects.toThrow("Copying the system failed.");
  }, 60_000);
});
