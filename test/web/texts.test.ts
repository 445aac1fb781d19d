import { expect, test } from "bun:test";
import { connectSteps, systemOf } from "../../src/web/connect.ts";
import { bytes, duration, latency } from "../../src/web/format.ts";
import { sentenceParts } from "../../src/web/parts/health.tsx";
import { parseSize } from "../../src/web/sizes.ts";

const GIB = 2 ** 30;

test("a size is understood as people write it, in units of 1024 and whole blocks", () => {
  for (const [text, size] of [["500 GiB", 500 * GIB], ["500g", 500 * GIB], ["2TiB", 2048 * GIB], ["1.5 GiB", 1.5 * GIB], ["1,5 GB", 1.5 * GIB], [" 64 MiB ", 64 * 2 ** 20], ["4097 b", 8192]] as const) {
    expect({ text, size: parseSize(text) }).toEqual({ text, size });
  }
  for (const text of ["", "much", "500", "-1 GiB", "1 GiB 2", "GiB", "1e3 GiB", "9999999999 PiB"]) expect({ text, size: parseSize(text) }).toEqual({ text, size: null });
});

test("numbers are short and keep their meaning", () => {
  expect([0, 1023, 1024, 1536, 500 * GIB, 2048 * GIB, 1.42 * GIB].map(bytes)).toEqual(["0 B", "1,023 B", "1 KiB", "1.5 KiB", "500 GiB", "2 TiB", "1.42 GiB"]);
  expect([250, 1_500, 63_600, 2_000_000].map(latency)).toEqual(["250 µs", "1.5 ms", "63.6 ms", "2 s"]);
  expect([0, 45_000, 360_000, 7_800_000, 273_600_000].map(duration)).toEqual(["0 s", "45 s", "6 min", "2 h 10 min", "3 d 4 h"]);
});

test("a health sentence is taken apart into the cause and the next step", () => {
  const sentence = "Degraded: 12 of 512 groups are one copy short since server-2 stopped answering; recovering, 1.5 GiB left. Do not power off server-1 or server-3.";
  expect(sentenceParts({ state: "degraded", sentence })).toEqual({ cause: "12 of 512 groups are one copy short since server-2 stopped answering; recovering, 1.5 GiB left.", step: "Do not power off server-1 or server-3." });
  expect(sentenceParts({ state: "healthy", sentence: "Healthy: all is well." })).toEqual({ cause: "All is well.", step: "" });
});

const connection = { targetName: "iqn.2026-11.io.virtustor:t", portals: ["10.0.0.1:3260", "10.0.0.2:3260", "[fd00::3]:3260"], iqns: ["iqn.1998-01.com.vmware:esx1"], lun: 7 };

test("the steps to connect a host name every portal, the host's own initiator and the LUN", () => {
  for (const system of ["linux", "vmware", "windows"] as const) {
    const steps = connectSteps(system, { ...connection, chapUser: null });
    const all = steps.map(({ title, text = "", code }) => `${title}\n${text}\n${code}`).join("\n");
    expect(all).toContain(connection.iqns[0] ?? "");
    expect(all).toContain("LUN 7");
    expect(all).not.toContain("CHAP");
    expect(steps.length).toBeGreaterThan(4);
  }
  const windows = connectSteps("windows", { ...connection, chapUser: null }).map(({ code }) => code).join("\n");
  for (const address of ["10.0.0.1", "10.0.0.2", "fd00::3"]) expect(windows).toContain(`-TargetPortalAddress ${address} -TargetPortalPortNumber 3260`);
  const vmware = connectSteps("vmware", { ...connection, chapUser: null }).map(({ code }) => code).join("\n");
  for (const portal of connection.portals) expect(vmware).toContain(`--address=${portal}`);
});

test("a host that must give a secret is told where to put it, and never the secret", () => {
  for (const system of ["linux", "vmware", "windows"] as const) {
    const all = connectSteps(system, { ...connection, chapUser: "esx" }).map(({ code }) => code).join("\n");
    expect(all).toContain("'esx'");
    expect(all).toContain("'CHAP-SECRET'");
  }
});

test("the system of a host is guessed from its initiator's name", () => {
  expect([["iqn.1998-01.com.vmware:a"], ["iqn.1991-05.com.microsoft:b"], ["iqn.1993-08.org.debian:c"], []].map(systemOf)).toEqual(["vmware", "windows", "linux", "linux"]);
});
