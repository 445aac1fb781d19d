import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { cached } from "../cache.ts";
import { shell } from "../command.ts";

/** Below kernel/ of the modules: nothing that a storage server without a desktop has a use for. */
const LEFT_OUT = [
  "sound", "drivers/gpu", "drivers/media", "drivers/iio", "drivers/staging", "drivers/bluetooth", "drivers/net/wireless", "drivers/net/can", "drivers/isdn",
  "drivers/infiniband/ulp/srpt", "drivers/comedi", "drivers/gnss", "drivers/greybus", "drivers/most", "drivers/pcmcia", "drivers/nfc", "drivers/w1", "drivers/rtc",
  "drivers/leds", "drivers/video", "drivers/input/touchscreen", "drivers/input/joystick", "drivers/input/tablet", "drivers/net/hamradio", "drivers/net/ieee802154",
  "drivers/net/wwan", "drivers/net/arcnet", "drivers/net/ppp", "drivers/net/slip", "drivers/net/usb", "drivers/platform/surface", "drivers/power", "drivers/extcon",
  "drivers/soundwire", "drivers/usb/gadget", "drivers/usb/serial", "drivers/usb/misc", "drivers/fpga", "drivers/crypto/ccree", "drivers/parport", "drivers/mtd",
  "net/bluetooth", "net/wireless", "net/mac80211", "net/can", "net/nfc", "net/ax25", "net/netrom", "net/rose", "net/x25", "net/appletalk", "net/atm", "net/batman-adv",
  "net/tipc", "net/6lowpan", "net/ieee802154", "net/mac802154", "net/dccp", "net/sctp", "net/rxrpc", "net/ceph", "net/9p", "net/openvswitch", "net/qrtr",
  "fs/afs", "fs/ceph", "fs/smb", "fs/ocfs2", "fs/gfs2", "fs/jfs", "fs/reiserfs", "fs/nilfs2", "fs/f2fs", "fs/ubifs", "fs/jffs2", "fs/hfs", "fs/hfsplus", "fs/ufs",
  "fs/minix", "fs/sysv", "fs/affs", "fs/befs", "fs/bfs", "fs/efs", "fs/hpfs", "fs/omfs", "fs/qnx4", "fs/qnx6", "fs/romfs", "fs/coda", "fs/orangefs", "fs/9p", "fs/dlm",
  "fs/bcachefs", "fs/btrfs", "fs/nfs", "fs/nfsd", "fs/erofs", "fs/ecryptfs", "fs/zonefs", "fs/vboxsf",
];

/**
 * `vmlinuz`; `tree/usr/lib/modules` and `tree/usr/lib/firmware` with what is left of them; `microcode.cpio`, which goes before the
 * initramfs so that the kernel finds it before anything else. `version` names the kernel.
 */
export function kernelStep(root: string): Promise<string> {
  return cached({
    name: "kernel",
    inputs: { root, LEFT_OUT },
    source: import.meta.path,
    make: async (into) => {
      mkdirSync(join(into, "tree/usr/lib/modules"), { recursive: true });
      await shell(UNPACK, [join(root, "debs"), into, ...LEFT_OUT]);
    },
  });
}

/** Firmware is kept when a module that is kept asks for it by name; intel/ice and the like are links to versions. */
const UNPACK = `
debs=$1 into=$2; shift 2
mkdir "$into/packages"
for deb in "$debs"/*.deb; do
  case $(basename "$deb") in linux-image-*) to=$into/kernel ;; *-microcode_*) to=$into/microcode ;; *) to=$into/firmware ;; esac
  mkdir -p "$to"; dpkg-deb -x "$deb" "$to"
done
version=$(ls "$into/kernel/usr/lib/modules")
echo "$version" > "$into/version"
cp "$into/kernel/boot/vmlinuz-$version" "$into/vmlinuz"
modules=$into/tree/usr/lib/modules/$version
mv "$into/kernel/usr/lib/modules/$version" "$modules"
for folder in "$@"; do rm -rf "$modules/kernel/$folder"; done
# Compressed one by one they could not be compressed together, and busybox could not load them.
find "$modules" -name '*.ko.xz' -print0 | xargs -0r -P "$(nproc)" -n 64 xz -d
# depmod and modprobe of older systems look below lib.
ln -s usr/lib "$into/tree/lib"
depmod -b "$into/tree" -F "$into/kernel/boot/System.map-$version" "$version"
firmware=$into/tree/usr/lib/firmware
mkdir -p "$firmware"
find "$modules" -name '*.ko' -print0 | xargs -0r -n 64 modinfo -F firmware | LC_ALL=C sort -u > "$into/firmware-asked"
( cd "$into/firmware/usr/lib/firmware"
  while IFS= read -r name; do
    for file in $name; do [ ! -e "$file" ] || printf '%s\\n' "$file" "$(realpath --relative-to=. "$file")"; done
  done < "$into/firmware-asked" | LC_ALL=C sort -u | cpio -pdm --quiet "$firmware" )
mkdir -p "$into/early/kernel/x86/microcode"
( cd "$into/microcode/usr/lib/firmware"
  find intel-ucode -type f -print0 | LC_ALL=C sort -z | xargs -0 cat > "$into/early/kernel/x86/microcode/GenuineIntel.bin"
  find amd-ucode -name '*.bin' -print0 | LC_ALL=C sort -z | xargs -0 cat > "$into/early/kernel/x86/microcode/AuthenticAMD.bin" )
( cd "$into/early"; find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0 > "$into/microcode.cpio" )
rm -rf "$into/kernel" "$into/microcode" "$into/firmware" "$into/early" "$into/packages"
`;
