import { join } from "node:path";
import { installUnattended } from "../../src/installer/unattended.ts";
import { BIOS_ON_EXT4 } from "./loop-drive.ts";

/**
 * `bun install-process.ts DEVICE SOURCE erase|keep [STEP [FRACTION]]`: an installation in a process of its own, which is killed when
 * that step begins, or has come so far.
 */
const [device = "", source = "", mode = "", step, fraction] = process.argv.slice(2);
process.exitCode = await installUnattended(
  { device, confirm: device, keepState: mode === "keep", eraseVirtustor: mode !== "keep", json: true, source, loop: true, boot: BIOS_ON_EXT4, grubCfg: join(source, "disk-grub.cfg"), reboot: false },
  (line) => {
    process.stdout.write(`${line}\n`);
    const said = JSON.parse(line) as { name?: string; fraction?: number | null };
    if (said.name === step && step !== undefined && (said.fraction ?? 0) >= Number(fraction ?? 0)) process.kill(process.pid, "SIGKILL");
  },
);
