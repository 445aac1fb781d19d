import type { Probe } from "../../src/installer/drives.ts";

type Row = Record<string, unknown>;
const GIB = 2 ** 30;

/** A drive as `lsblk --json -b -O` of util-linux 2.41 on Debian 13 tells it, without the many fields that nobody reads. */
function disk(path: string, sizeBytes: number, more: Row = {}): Row {
  return {
    name: path.slice(5), kname: path.slice(5), path, "maj:min": "8:0", type: "disk", size: sizeBytes, "log-sec": 512, "phy-sec": 4096, model: "SAMSUNG MZ7LH480", serial: "S45PNA0M",
    vendor: "ATA     ", tran: "sata", subsystems: "block:scsi:pci", rota: false, rm: false, ro: false, hotplug: false, mountpoint: null, mountpoints: [null],
    fstype: null, label: null, uuid: null, pttype: null, partlabel: null, parttype: null, state: "running", ...more,
  };
}
function part(path: string, sizeBytes: number, more: Row = {}): Row {
  return { ...disk(path, sizeBytes, { type: "part", model: null, serial: null, vendor: null, tran: null, state: null, pttype: "gpt" }), ...more };
}

/** A server: empty SSD, disk of another system, NVMe with a data drive, the USB medium, an old VirtuStor system, a small and a read-only drive. */
export const SERVER: unknown = {
  blockdevices: [
    { ...disk("/dev/loop0", 118 * 2 ** 20, { type: "loop", model: null, serial: null, tran: null }), fstype: "squashfs", mountpoints: ["/run/layers/base"] },
    disk("/dev/sda", 447 * GIB),
    disk("/dev/sdb", 931 * GIB, {
      model: "ST1000NX0313", serial: "W4700ABC", tran: "sas", rota: true, pttype: "gpt",
      children: [part("/dev/sdb1", GIB, { fstype: "vfat", label: "EFI" }), part("/dev/sdb2", 930 * GIB, { fstype: "ext4", label: "root", partlabel: "Linux" })],
    }),
    disk("/dev/sdc", 28 * GIB, {
      model: "Ultra Fit", serial: "4C5300", tran: "usb", rm: true, fstype: "iso9660", label: "VIRTUSTOR", pttype: "dos",
      children: [part("/dev/sdc1", 183 * 2 ** 20, { fstype: "iso9660", label: "VIRTUSTOR" })],
    }),
    disk("/dev/sdd", 223 * GIB, {
      serial: "OLDSYS1", pttype: "gpt",
      children: [
        part("/dev/sdd1", 2 ** 20, { partlabel: "vs-boot" }),
        part("/dev/sdd2", 256 * 2 ** 20, { partlabel: "vs-esp", fstype: "vfat", label: "VS-ESP", uuid: "12AB-34CD" }),
        part("/dev/sdd3", GIB, { partlabel: "vs-slot-a", fstype: "ext4", label: "vs-slot-a", uuid: "aaaa" }),
        part("/dev/sdd4", GIB, { partlabel: "vs-slot-b", fstype: "ext4", label: "vs-slot-b", uuid: "bbbb" }),
        part("/dev/sdd5", 32 * GIB, { partlabel: "vs-state", fstype: "ext4", label: "vs-state", uuid: "cccc" }),
      ],
    }),
    disk("/dev/sde", 8 * GIB, { model: "SATADOM", serial: "SMALL1" }),
    disk("/dev/sdf", 100 * GIB, { serial: "RO1", ro: true }),
    disk("/dev/sdg", 447 * GIB, { serial: "RAID1", children: [{ ...part("/dev/md0", 446 * GIB, { type: "raid1" }) }], fstype: "linux_raid_member" }),
    disk("/dev/sdh", 447 * GIB, { serial: "MNT1", children: [part("/dev/sdh1", 446 * GIB, { fstype: "xfs", mountpoints: ["/data"] })] }),
    { ...disk("/dev/sr0", GIB, { type: "rom", model: "DVD" }) },
    disk("/dev/nvme0n1", 1788 * GIB, { model: "INTEL SSDPE2KX", serial: "PHLJ1", tran: "nvme", fstype: "xfs", label: null }),
    disk("/dev/vda", 20 * GIB, { model: null, serial: null, vendor: "0x1af4", tran: "virtio", subsystems: "block:virtio:pci", rota: true }),
    disk("/dev/zram0", 0, { model: null, serial: null }),
    disk("/dev/nbd0", 0, { model: null, serial: null }),
  ],
};

const NOTHING: Probe = { filesystem: null, label: null, uuid: null, partitionTable: null, partitionName: null, virtustorData: false, serverName: null };
/** What blkid and a look into the filesystem add: the superblock of a data drive on the NVMe, which carries no label. */
export const PROBES: ReadonlyMap<string, Probe> = new Map([["/dev/nvme0n1", { ...NOTHING, filesystem: "xfs", virtustorData: true }]]);
