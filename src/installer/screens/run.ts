import { createElement } from "react";
import { VERSION } from "../../base/version.ts";
import { runOnTerminal } from "../../console/widgets/terminal.ts";
import { beginLookingAround } from "../../platform/live.ts";
import { command } from "../command.ts";
import { install } from "../installation.ts";
import { withInstallerLock } from "../installer-lock.ts";
import { readMachine } from "../machine.ts";
import { InstallerApp, type InstallerServices } from "./app.tsx";

/** Shows the installer on this terminal. Resolves when the administrator wants to look around without installing. */
export function runInstallerScreens(): Promise<void> {
  return new Promise((resolve) => {
    const services: InstallerServices = {
      version: VERSION,
      readMachine: () => readMachine(),
      install: (choice, report) => withInstallerLock(() => install(choice, { source: null }, report)),
      restart: async () => void (await command(["systemctl", "reboot"])),
      powerOff: async () => void (await command(["systemctl", "poweroff"])),
      async lookAround() {
        await beginLookingAround();
        terminal.close();
        resolve();
      },
    };
    const terminal = runOnTerminal(createElement(InstallerApp, { services }), process.stdin, process.stdout);
  });
}
