/** Debian's name of the release that the image is made of. */
export const SUITE = "trixie";
export const COMPONENTS = ["main", "non-free-firmware"];

/** Installed into the root. What they pull in and nobody needs is taken out again in 30-base.ts. */
export const PACKAGES = [
  "systemd", "systemd-sysv", "systemd-resolved", "libnss-myhostname", "udev", "dbus", "kmod", "procps", "util-linux", "tzdata", "ca-certificates", "kbd",
  // Network.
  "iproute2", "iputils-ping", "iputils-arping", "ethtool", "nftables", "chrony",
  // Drives.
  "xfsprogs", "e2fsprogs", "dosfstools", "fdisk", "parted", "smartmontools", "nvme-cli", "lsscsi", "sg3-utils", "hdparm", "pciutils", "dmidecode",
  // What the installer needs to make a drive bootable.
  "grub2-common", "grub-pc-bin", "grub-efi-amd64-bin", "efibootmgr", "zstd",
  // The cluster store's member; the product starts it itself.
  "etcd-server",
];

/** Unpacked beside the root, never installed: their scripts would make an initramfs and want /boot. */
export const FIRMWARE_PACKAGES = [
  "firmware-bnx2", "firmware-bnx2x", "firmware-qlogic", "firmware-netxen", "firmware-misc-nonfree", "firmware-intel-misc", "firmware-cavium",
  "firmware-netronome", "firmware-myricom", "firmware-realtek",
];
export const MICROCODE_PACKAGES = ["intel-microcode", "amd64-microcode"];
