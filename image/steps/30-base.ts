import { join } from "node:path";
import { cached } from "../cache.ts";
import { shell } from "../command.ts";

/** Came along as somebody's dependency, and nothing here runs it. */
const LEFT_OUT = [
  // xfs_scrub's and perl's; xfs_scrub itself goes, too.
  "usr/lib/python3*", "usr/lib/x86_64-linux-gnu/libpython3*", "usr/bin/python3*", "usr/lib/x86_64-linux-gnu/libicu*", "usr/sbin/xfs_scrub*",
  "usr/lib/x86_64-linux-gnu/perl*", "usr/share/perl*", "usr/bin/perl*",
  "usr/share/{info,lintian,bash-completion,zsh,fish,bug,menu,pixmaps,icons,applications,gdb,debconf,reportbug,polkit-1}", "usr/share/i18n", "usr/lib/locale/C.utf8.bak",
  "usr/bin/{grub-mkrescue,grub-mkstandalone,grub-render-label,grub-fstest,grub-mount,grub-glue-efi,grub-mklayout,grub-menulst2cfg,grub-mkpasswd-pbkdf2,grub-mknetdir}",
  "usr/share/grub", "usr/lib/grub/*-efi/*.module", "usr/lib/grub/*/gdb*",
  "var/lib/apt/*", "var/cache/*/*", "var/log/*", "var/lib/dpkg/info", "var/lib/dpkg/*-old", "var/lib/pam", "usr/lib/udev/hwdb.d", "boot/*", "tmp/*", "run/*", "root/.*rc", "root/.profile",
];

/** Used where IBM's code page 850 names the files of a FAT partition; the other tables are 8 MB. */
const GCONV_KEPT = "IBM850.so";

/**
 * `base.cpio`: the system without the product, as a squashfs in an archive that is not compressed, which the kernel unpacks to
 * /base.sqf. `packages.txt` names each package and its version.
 */
export function baseStep(root: string, kernel: string, options: { release: boolean }): Promise<string> {
  return cached({
    name: "base",
    inputs: { root, kernel, LEFT_OUT, GCONV_KEPT, options },
    source: import.meta.path,
    make: async (into) => {
      await shell(SLIM, [join(root, "tree"), join(kernel, "tree"), join(into, "tree"), into, GCONV_KEPT]);
      await shell(`shopt -s nullglob; cd "$1"; rm -rf ${LEFT_OUT.join(" ")}`, [join(into, "tree")]);
      await shell('mksquashfs "$1/tree" "$1/base.sqf" -comp zstd -Xcompression-level "$2" -b 256K -noappend -quiet -no-progress -all-time 0 -mkfs-time 0', [into, options.release ? "15" : "3"]);
      await shell('cd "$1"; echo base.sqf | cpio -o -H newc --quiet -R 0:0 > base.cpio; rm -rf tree base.sqf', [into]);
    },
  });
}

const SLIM = `
root=$1 kernel=$2 tree=$3 into=$4 gconv=$5
cp -a "$root" "$tree"
cp -a "$kernel/usr/lib/modules" "$kernel/usr/lib/firmware" "$tree/usr/lib/"
dpkg-query --admindir="$tree/var/lib/dpkg" -W -f '\${Package} \${Version}\\n' > "$into/packages.txt"
find "$tree/usr/lib/x86_64-linux-gnu/gconv" -name '*.so' ! -name "$gconv" -delete
# Made at each start: who this machine is.
rm -rf "$tree"/etc/{machine-id,hostname,resolv.conf,ssh} "$tree"/var/lib/dbus/machine-id
# The hardware's names are in the binary table already.
[ -e "$tree/usr/lib/udev/hwdb.bin" ] || chroot "$tree" systemd-hwdb --usr update
mkdir -p "$tree/state" "$tree/sysroot"
# Nobody logs in.
sed -i 's/^root:[^:]*:/root:!*:/' "$tree/etc/shadow"
`;
