#!/usr/bin/env bash
# The Linux kernel's iSCSI initiator against a trial: boots a Debian kernel in QEMU (no KVM needed) with open-iscsi, and has it log in,
# make filesystems, unmap, and lose servers. Takes some minutes; `npm test` does not run it. The last line is the verdict.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib.sh
# Booting takes about half a minute on a busy machine, all of it some minutes.
RUN_SECONDS_MAX=1200
DOWNLOAD_SECONDS_MAX=300
WORK=dist/linux-initiator
MODULES=(virtio_pci virtio_net sd_mod sg crc32c_intel iscsi_tcp dm_multipath dm_round_robin xfs)
TOOLS=(iscsid iscsiadm sg_vpd sg_inq sg_modes sg_readcap mkfs.ext4 e2fsck fstrim blkdiscard dmsetup)

ensure_packages
ensure_debian_packages qemu-system-x86 busybox-static open-iscsi sg3-utils e2fsprogs util-linux dmsetup cpio kmod
[ "${1:-}" = --no-build ] || scripts/build.sh
mkdir -p "$WORK"

# The kernel is unpacked, never installed. Its exact package changes with each security update.
kernel_package=$(apt-cache depends linux-image-cloud-amd64 | sed -nE 's/^ *Depends: (linux-image-[0-9].*)$/\1/p' | head -n 1)
[ -n "$kernel_package" ] || die "this Debian knows no linux-image-cloud-amd64; run apt-get update"
version=${kernel_package#linux-image-}
kernel=$WORK/$version
if [ ! -d "$kernel" ]; then
  say "downloading $kernel_package"
  scratch=$(mktemp -d "$WORK/.kernel-XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  (cd "$scratch" && timeout "$DOWNLOAD_SECONDS_MAX" apt-get -qq -o APT::Sandbox::User=root download "$kernel_package") || die "could not download $kernel_package"
  dpkg-deb -x "$scratch"/*.deb "$scratch/tree"
  depmod -b "$scratch/tree" "$version"
  mv "$scratch/tree" "$kernel"
  rm -rf "$scratch"
  trap - EXIT
fi

# The client's whole system in memory: busybox, the modules with what they need, the tools with their libraries.
root=$WORK/root
rm -rf "$root"
mkdir -p "$root"/{bin,sbin,busybox,dev,proc,sys,run,tmp,mnt,var,etc/iscsi}
cp "$(command -v busybox)" "$root/bin/busybox"
cp /etc/iscsi/iscsid.conf "$root/etc/iscsi/iscsid.conf"
install -m 755 test/system/guest/init "$root/init"
for module in $(modprobe -d "$kernel" -S "$version" -D -a "${MODULES[@]}" | sed -nE 's/^insmod ([^ ]+).*/\1/p' | sort -u); do
  install -D -m 644 "$module" "$root/lib/modules/$version/${module#*/lib/modules/"$version"/}"
done
cp "$kernel/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$version/"
depmod -b "$root" "$version"
for tool in "${TOOLS[@]}"; do
  path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$tool") || die "the tool $tool is missing"
  cp -L "$path" "$root/sbin/$tool"
  while read -r library; do [ -e "$root$library" ] || install -D "$library" "$root$library"; done < <(ldd "$path" | grep -oE '/[^ ]+' | sort -u)
done
printf 'root:x:0:0:root:/:/bin/sh\n' >"$root/etc/passwd"
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) | gzip -1 >"$WORK/initrd.gz"

timeout -k 30 "$RUN_SECONDS_MAX" "$BUN" test/system/linux-initiator.ts "$kernel/boot/vmlinuz-$version" "$WORK/initrd.gz"
