import { afterEach, describe, expect, test } from "bun:test";
import { choicesOf, devicesOf } from "../../../src/installer/drives.ts";
import type { Choice, Progress } from "../../../src/installer/installation.ts";
import type { MachineFacts } from "../../../src/installer/preflight.ts";
import { InstallerApp, type InstallerServices } from "../../../src/installer/screens/app.tsx";
import { STEPS } from "../../../src/installer/steps.ts";
import { openScreen, type TestScreen } from "../../console/screen.ts";
import { PROBES, SERVER } from "../lsblk-answers.ts";

const FACTS: MachineFacts = {
  cpuModel: "Intel(R) Xeon(R) Silver 4210 CPU @ 2.20GHz", cpuFlags: ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"], cpuCount: 20, memoryBytes: 62.7 * 2 ** 30, uefi: false,
  adapters: [
    { name: "eno1", mac: "52:54:00:00:00:01", driver: "ixgbe", link: true, speedMbit: 10000 },
    { name: "eno2", mac: "52:54:00:00:00:02", driver: "ixgbe", link: null, speedMbit: null },
  ],
  drives: choicesOf(devicesOf(SERVER, PROBES)),
};

/** A machine whose installation goes on when the test says so. */
class Stage {
  readonly installed: Choice[] = [];
  readonly calls: string[] = [];
  looks = 0;
  report: (progress: Progress) => void = () => undefined;
  finish: (version: string) => void = () => undefined;
  fail: (error: Error) => void = () => undefined;
  readonly screen: TestScreen;
  constructor(facts: MachineFacts = FACTS, size = { columns: 80, rows: 25 }) {
    const services: InstallerServices = {
      version: "0.1.0",
      readMachine: () => {
        this.looks += 1;
        return Promise.resolve(facts);
      },
      install: (choice, report) => {
        this.installed.push(choice);
        this.report = report;
        return new Promise((resolve, reject) => {
          this.finish = (version) => resolve({ version });
          this.fail = reject;
        });
      },
      restart: () => Promise.resolve(void this.calls.push("restart")),
      powerOff: () => Promise.resolve(void this.calls.push("power off")),
      lookAround: () => Promise.resolve(void this.calls.push("look around")),
    };
    this.screen = openScreen(<InstallerApp services={services} />, size);
  }
  /** From the beginning to the list of drives, with the cursor on `device`. */
  async toDrives(device: string): Promise<void> {
    this.screen.press("enter");
    await this.screen.shows("Is this machine fit");
    this.screen.press("enter");
    await this.screen.shows("Which drive");
    for (let tries = 0; !this.screen.text().includes(`> ${device}`); tries++) {
      if (tries > 20) throw new Error(this.screen.text());
      this.screen.press("down");
    }
  }
}
let stage: Stage;
afterEach(() => stage.screen.close());

describe("the installer's screens", () => {
  test("lead from the beginning to a confirmation that names model, serial number and size, and to an installed drive", async () => {
    stage = new Stage();
    const { screen } = stage;
    await screen.shows("has been changed.");
    screen.press("enter");
    await screen.shows("[ ok ] Processor");
    expect(screen.text()).toContain("eno1 (ixgbe, 52:54:00:00:00:01, link, 10 Gbit/s)");
    screen.press("enter");
    await screen.shows("Which drive shall the system be on?");
    expect(screen.text()).toContain("> /dev/sda      SAMSUNG MZ7LH480  447 GiB  sata SSD  empty");
    screen.press("enter");
    await screen.shows("Erase this drive?");
    for (const said of ["SAMSUNG MZ7LH480", "S45PNA0M", "447 GiB", "Everything on this drive will be lost", "412.7"]) expect(screen.text()).toContain(said);
    screen.press("enter");
    await screen.shows("That is not erase: nothing was changed.");
    screen.type("erase");
    expect(stage.installed).toEqual([]);
    screen.press("enter");
    await screen.shows("Installing on /dev/sda");
    expect(stage.installed.map(({ drive, mode }) => [drive.device, mode])).toEqual([["/dev/sda", "erase"]]);
    const step = STEPS.findIndex(({ name }) => name === "copy");
    stage.report({ step: step + 1, of: STEPS.length, name: "copy", title: "Copying the system", fraction: 0.5 });
    await screen.shows(`[####################--------------------]  50 %  step ${step + 1} of ${STEPS.length}`);
    expect(screen.text()).toContain("[ .. ] Copying the system");
    expect(screen.text()).toContain("[ ok ] Making the filesystems");
    screen.press("escape", "enter");
    stage.finish("0.1.0");
    await screen.shows("Remove the installation medium now, then press Enter to restart.");
    screen.press("enter");
    expect(stage.calls).toEqual(["restart"]);
  });

  test("do not offer a drive that is refused, and say why", async () => {
    stage = new Stage();
    await stage.toDrives("/dev/sde");
    expect(stage.screen.text()).toContain("Not possible: /dev/sde has 8 GiB; a system drive needs at least 16 GiB");
    stage.screen.press("enter");
    expect(stage.screen.text()).toContain("Which drive");
    stage.screen.press("escape", "escape");
    await stage.toDrives("/dev/sdc");
    expect(stage.screen.text()).toContain("Not possible: /dev/sdc is the installation medium.");
  });

  test("ask twice about a VirtuStor data drive, and want its serial number typed", async () => {
    stage = new Stage();
    const { screen } = stage;
    await stage.toDrives("/dev/nvme0n1");
    screen.press("enter");
    await screen.shows("This is a VirtuStor data drive");
    expect(screen.text()).toContain("Copies of volumes lie on it.");
    // The answer that changes nothing is the first one.
    screen.press("enter");
    await screen.shows("Which drive");
    screen.press("enter");
    await screen.shows("This is a VirtuStor data drive");
    screen.press("down", "enter");
    await screen.shows("Erase this drive?");
    screen.type("erase");
    screen.press("enter");
    await screen.shows("That is not PHLJ1: nothing was changed.");
    screen.press("clear");
    screen.type("phlj1");
    screen.press("enter");
    await screen.shows("Installing on /dev/nvme0n1");
  });

  test("offer to keep the state of an earlier system", async () => {
    stage = new Stage();
    const { screen } = stage;
    await stage.toDrives("/dev/sdd");
    screen.press("enter");
    await screen.shows("Install again and keep the state of this server");
    screen.press("enter");
    await screen.shows("Install again on this drive?");
    screen.type("reinstall");
    screen.press("enter");
    await screen.shows("Installing on /dev/sdd");
    expect(stage.installed.map(({ mode }) => mode)).toEqual(["keep-state"]);
    stage.finish("0.1.0");
    await screen.shows("The server comes back with its name");
  });

  test("ask twice before the state of an earlier system is erased", async () => {
    stage = new Stage();
    const { screen } = stage;
    await stage.toDrives("/dev/sdd");
    screen.press("enter", "down", "enter");
    await screen.shows("The state of a server lies on it");
    screen.press("down", "enter");
    await screen.shows("To go on, type OLDSYS1");
  });

  test("stop at a machine that is not fit, and look again when asked to", async () => {
    stage = new Stage({ ...FACTS, memoryBytes: 2 ** 30 });
    stage.screen.press("enter");
    await stage.screen.shows("[FAIL] Memory");
    expect(stage.screen.text()).toContain("1 GiB are too few");
    stage.screen.press("enter");
    await stage.screen.shows("[FAIL] Memory");
    expect(stage.looks).toBe(2);
    stage.screen.press("escape");
    await stage.screen.shows("Try without installing");
  });

  test("say what failed and go back to the beginning", async () => {
    stage = new Stage();
    await stage.toDrives("/dev/sda");
    stage.screen.press("enter");
    stage.screen.type("erase");
    stage.screen.press("enter");
    await stage.screen.shows("Installing on");
    stage.fail(new Error("Copying the system failed. It is broken."));
    await stage.screen.shows("Copying the system failed. It is broken.");
    stage.screen.press("enter");
    await stage.screen.shows("Try without installing");
  });

  test("leave for a look without installing, restart and power off", async () => {
    stage = new Stage();
    await stage.screen.shows("Try without installing");
    stage.screen.press("down", "enter", "down", "enter", "down", "enter");
    expect(stage.calls).toEqual(["look around", "restart", "power off"]);
  });

  test("fit 80 columns and 24 rows with all that they say", async () => {
    stage = new Stage(FACTS, { columns: 80, rows: 24 });
    await stage.toDrives("/dev/sdd");
    stage.screen.press("enter", "down", "enter");
    await stage.screen.shows("The state of a server");
    stage.screen.press("down", "enter");
    await stage.screen.shows("type OLDSYS1");
    expect(stage.screen.text()).toContain("> Confirmation");
    expect(stage.screen.text().split("\n")).toHaveLength(24);
  });
});
