/** What GRUB reads from the ESP of a system drive. grub.cfg itself is the image's: it belongs to the kernel's command line there. */

/** Where the running medium keeps the grub.cfg of an installed drive. */
export const DISK_GRUB_CFG = "/usr/share/virtustor/disk-grub.cfg";

/**
 * The grub.cfg of a drive whose installation was not finished: it starts nothing, and the firmware goes on to the next drive or
 * to the medium.
 */
export const UNFINISHED_GRUB_CFG = `serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
echo "VirtuStor: the installation on this drive was not finished."
echo "Start this server from the installation medium and install again."
sleep 15
exit
`;

/** GRUB writes this file in place, sector by sector, so it always has 1024 bytes. */
const ENVIRONMENT_BYTES = 1024;

/** grubenv: the slot that starts, and the machine id that the system gets from its boot loader (32 hexadecimal digits). */
export function grubEnvironment(slot: "a" | "b", machineId: string): string {
  return `# GRUB Environment Block\nslot=${slot}\nmachine_id=${machineId}\n`.padEnd(ENVIRONMENT_BYTES, "#");
}

/** The machine id in a grubenv, or null: the journal of a server that is installed again lies under it. */
export function machineIdIn(environment: string): string | null {
  return /^machine_id=([0-9a-f]{32})$/m.exec(environment)?.[1] ?? null;
}
