/** Units that nobody asks for: logins, timers of a system that changes itself, services that the product runs in its own way. */
const MASKED = [
  "getty@.service", "serial-getty@.service", "autovt@.service", "console-getty.service", "container-getty@.service", "getty.target", "debug-shell.service", "ctrl-alt-del.target",
  "emergency.service", "rescue.service", "systemd-firstboot.service", "systemd-homed.service", "systemd-networkd-wait-online.service",
  "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "man-db.timer", "motd-news.timer",
  "xfs_scrub_all.timer", "etcd.service", "smartmontools.service", "smartd.service", "nvmefc-boot-connections.service", "nvmf-autoconnect.service", "grub-common.service",
  "systemd-remount-fs.service", "systemd-pstore.service", "ldconfig.service", "systemd-update-done.service", "systemd-hwdb-update.service", "hdparm.service",
  "systemd-timesyncd.service", "chrony-wait.service", "chrony-dnssrv@.service", "systemd-tpm2-setup-early.service", "systemd-tpm2-setup.service",
  // Nothing here uses them, and each costs a second of the start on a slow machine.
  "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "dev-hugepages.mount",
  "systemd-machine-id-commit.service", "systemd-random-seed.service", "systemd-network-generator.service", "systemd-journal-catalog-update.service",
  "systemd-sysusers.service", "systemd-udev-load-credentials.service", "modprobe@drm.service", "systemd-sysext.socket", "systemd-pcrextend.socket", "systemd-pcrlock.socket",
  "systemd-hibernate-clear.service", "systemd-ask-password-console.path", "systemd-ask-password-wall.path", "uuidd.socket", "systemd-initctl.socket",
];

const ENABLED: Readonly<Record<string, readonly string[]>> = {
  "sysinit.target": ["systemd-resolved.service", "virtustor-state.service", "nftables.service"],
  "multi-user.target": [
    "virtustor.service", "virtustor-console@tty1.service", "virtustor-console@ttyS0.service", "virtustor-network.service", "systemd-networkd.service", "chrony.service",
  ],
  "sockets.target": ["systemd-networkd.socket"],
};

/** Links of the app layer: path below the root -> where it points. */
export const UNIT_LINKS: Readonly<Record<string, string>> = {
  "etc/systemd/system/default.target": "/usr/lib/systemd/system/multi-user.target",
  "etc/resolv.conf": "../run/systemd/resolve/resolv.conf",
  ...Object.fromEntries(MASKED.map((unit) => [`etc/systemd/system/${unit}`, "/dev/null"])),
  ...Object.fromEntries(
    Object.entries(ENABLED).flatMap(([target, units]) =>
      units.map((unit) => [`etc/systemd/system/${target}.wants/${unit}`, `/usr/lib/systemd/system/${unit.replace(/@[^.]+\./, "@.")}`]),
    ),
  ),
};
