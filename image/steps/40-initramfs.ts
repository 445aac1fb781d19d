import { join } from "node:path";
import { cached, hashOfFolder } from "../cache.ts";
import { shell } from "../command.ts";

const INITRAMFS = join(import.meta.dir, "../initramfs");
const MODULES = ["loop", "squashfs", "overlay"];

/** `initrd.img`: microcode, then an archive with busybox, the few modules that stack the layers, and image/initramfs/init. */
export async function initramfsStep(root: string, kernel: string): Promise<string> {
  const files = await hashOfFolder(INITRAMFS);
  return cached({
    name: "initramfs",
    inputs: { root, kernel, files, MODULES },
    source: import.meta.path,
    make: (into) => shell(PACK, [kernel, into, INITRAMFS, ...MODULES]).then(() => undefined),
  });
}

const PACK = `
kernel=$1 into=$2 files=$3; shift 3
version=$(cat "$kernel/version")
tree=$into/tree
mkdir -p "$tree"/{bin,dev,proc,sys,run,layers,volatile,sysroot,lib/modules/$version}
cp -L "$(command -v busybox)" "$tree/bin/busybox"
install -m 755 "$files/init" "$tree/init"
for module in "$@"; do
  modprobe -d "$kernel/tree" -S "$version" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod \\([^ ]*\\).*/\\1/p'
done | awk '!seen[$0]++' > "$into/insmod"
n=10
while IFS= read -r path; do cp "$path" "$tree/lib/modules/$n-$(basename "$path")"; n=$((n + 1)); done < "$into/insmod"
( cd "$tree"; find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0 | gzip -9n > "$into/own.img" )
cat "$kernel/microcode.cpio" "$into/own.img" > "$into/initrd.img"
# So that whatever is put behind it begins where the kernel looks for it.
truncate -s %512 "$into/initrd.img"
rm -rf "$tree" "$into/own.img" "$into/insmod"
`;
