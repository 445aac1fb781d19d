import { describe, expect, test } from "bun:test";
import { choicesOf, devicesOf } from "../../src/installer/drives.ts";
import { readMachine } from "../../src/installer/machine.ts";
import { adapterText, isFit, preflight, type Check, type MachineFacts } from "../../src/installer/preflight.ts";
import { PROBES, SERVER } from "./lsblk-answers.ts";

const GOOD: MachineFacts = {
  cpuModel: "Intel(R) Xeon(R) Silver 4210", cpuFlags: ["fpu", "cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"], cpuCount: 20,
  memoryBytes: 64 * 2 ** 30, uefi: true,
  adapters: [{ name: "eno1", mac: "52:54:00:00:00:01", driver: "ixgbe", link: true, speedMbit: 10000 }],
  drives: choicesOf(devicesOf(SERVER, PROBES)),
};
function check(name: Check["name"], facts: Partial<MachineFacts>): Check {
  const found = preflight({ ...GOOD, ...facts }).find((one) => one.name === name);
  if (found === undefined) throw new Error(`no check ${name}`);
  return found;
}

describe("the preflight", () => {
  test("finds nothing against a good server", () => {
    expect(preflight(GOOD).map(({ verdict }) => verdict)).toEqual(["good", "good", "good", "good", "good"]);
    expect(isFit(preflight(GOOD))).toBe(true);
  });
  test("refuses a processor below x86-64-v2 and names what it lacks", () => {
    const found = check("Processor", { cpuFlags: GOOD.cpuFlags.filter((flag) => flag !== "sse4_2" && flag !== "popcnt") });
    expect(found).toMatchObject({ verdict: "refused" });
    expect(found.sentence).toContain("lacks popcnt, sse4_2: VirtuStor needs x86-64-v2");
    expect(isFit(preflight({ ...GOOD, cpuFlags: [] }))).toBe(false);
  });
  test("takes 2 GiB of which the kernel has kept a part, and refuses less", () => {
    expect(check("Memory", { memoryBytes: 1.9 * 2 ** 30 }).verdict).toBe("good");
    expect(check("Memory", { memoryBytes: 2 ** 30 })).toEqual({ name: "Memory", verdict: "refused", sentence: "1 GiB are too few: VirtuStor needs at least 2 GiB. Add memory and start again." });
  });
  test("warns without adapters or cables, and lets the installation go on", () => {
    expect(check("Network", { adapters: [] }).verdict).toBe("warning");
    const adapter = { name: "eno1", mac: "m", driver: "igb", link: false, speedMbit: null };
    expect(check("Network", { adapters: [adapter] }).sentence).toContain("No cable has a link yet");
    // Down is not the same as unplugged.
    expect(check("Network", { adapters: [{ ...adapter, link: null }] }).verdict).toBe("good");
    expect(isFit(preflight({ ...GOOD, adapters: [] }))).toBe(true);
  });
  test("tells an adapter with driver, address, link and speed", () => {
    expect(GOOD.adapters.map(adapterText)).toEqual(["eno1 (ixgbe, 52:54:00:00:00:01, link, 10 Gbit/s)"]);
  });
  test("refuses a server without a drive, or with none that will do, and says why of each", () => {
    expect(check("Drives", { drives: [] }).sentence).toContain("No drive was found");
    const small = GOOD.drives.filter(({ device }) => device === "/dev/sde");
    expect(check("Drives", { drives: small })).toMatchObject({ verdict: "refused", sentence: "No drive is fit for the system. /dev/sde has 8 GiB; a system drive needs at least 16 GiB. Choose a larger drive." });
  });
  test("reads this machine", async () => {
    const facts = await readMachine();
    expect(facts.cpuFlags).toContain("fpu");
    expect(facts.memoryBytes).toBeGreaterThan(2 ** 29);
    expect(facts.drives.every(({ content }) => content.length > 0)).toBe(true);
  });
});
