/**
 * What GRUB reads from the ESP of a system drive. Two configurations exist: the one of a drive whose installation was not
 * finished, which starts nothing, and the real one, which is put in its place as the last act.
 *
 * grubenv: `slot` is the good slot. An update writes the other one, then sets `try` to it and `tries` to 3; each start counts
 * down and is written before the kernel gets the machine, and after the third the good slot starts again.
 */
export interface BootIds {
  /** UUIDs of the slots' filesystems. */
  readonly slotA: string;
  readonly slotB: string;
  /** Of the state partition: two system drives in one server would have the same label. */
  readonly state: string;
}

const CONSOLES = `insmod part_gpt
insmod fat
insmod ext2
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
`;

/** Nothing starts from a drive that has this; with another drive or the medium in the machine the firmware goes on to it. */
export function unfinishedConfig(): string {
  return `${CONSOLES}echo "VirtuStor: the installation on this drive was not finished."
echo "Start this server from the installation medium and install again."
sleep 15
exit
`;
}

export function bootConfig(ids: BootIds): string {
  // GRUB 2.06 has no arithmetic, and a closing brace must stand on a line of its own.
  return `${CONSOLES}set timeout=3
load_env
set start="$slot"
if [ -n "$try" ]; then
  if [ "$tries" = "3" ]; then
    set start="$try"
    set tries=2
    save_env tries
  elif [ "$tries" = "2" ]; then
    set start="$try"
    set tries=1
    save_env tries
  elif [ "$tries" = "1" ]; then
    set start="$try"
    set tries=0
    save_env tries
  else
    set try=
    set tries=
    save_env try tries
  fi
fi
set default=0
set fallback="1 2"
if [ "$start" = "b" ]; then
  set default=1
  set fallback="0 2"
fi
${slotEntry("a", ids.slotA, ids.state)}
${slotEntry("b", ids.slotB, ids.state)}
menuentry "Restart" {
  reboot
}
`;
}

/** What the kernel is told on a system drive; the installation medium says the same without a slot. */
export function kernelArguments(slot: "a" | "b", stateUuid: string): string {
  return `vs.slot=${slot} vs.state=UUID=${stateUuid} console=tty0 console=ttyS0,115200 panic=30 quiet`;
}

function slotEntry(slot: "a" | "b", uuid: string, stateUuid: string): string {
  return `menuentry "VirtuStor (slot ${slot.toUpperCase()})" {
  search --no-floppy --fs-uuid --set=root ${uuid}
  linux /vmlinuz ${kernelArguments(slot, stateUuid)}
  initrd /initrd.img /base.cpio /app.cpio
}`;
}
