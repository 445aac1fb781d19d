import { expect } from "bun:test";
import type { Disk } from "./linux-disks.ts";
import { PLAIN, type Stage } from "./linux-stage.ts";

// busybox's shell prefers its own blkdiscard and fstrim: those with options are called by their paths.
const MIB = 2 ** 20;
export const VOLUME_BYTES = 1024 * MIB;
/** Everything is slow in an emulated machine. */
export const WRITE_SECONDS_MAX = 120;

/** Without CHAP: discovery, properties, filesystems, unmapping and changes of the mapping. Returns the disks of the first volume. */
export async function diskStory({ guest, trial, iscsi, step }: Stage): Promise<readonly Disk[]> {
  const portals = trial.servers.map(({ portal }) => portal);
  const portal = (i: number): string => portals[i] ?? "";
  let disks: readonly Disk[] = [];
  const disk = (i: number): string => `/dev/${disks[i]?.name ?? ""}`;
  const ofEach = async (script: (name: string) => string): Promise<string[]> => {
    const texts: string[] = [];
    for (const { name } of disks) texts.push(await guest.must(script(name)));
    return texts;
  };

  await step("SendTargets names every server's portal", async () => {
    await trial.must("volume", "create", "disk", "--size", "1GiB");
    await trial.must("host", "create", "plain", "--iqn", PLAIN);
    await trial.must("map", "disk", "plain");
    await iscsi.start(PLAIN);
    const lines = await iscsi.discover(portal(0));
    expect(lines.map((line) => line.replace(/,\d+ /, " ")).sort()).toEqual(portals.map((one) => `${one} ${trial.report.target}`).sort());
    return lines.join("\n");
  });

  await step("logs in through every portal as it was announced", async () => {
    for (const one of portals) expect(await iscsi.login(one)).toMatchObject({ code: 0 });
    disks = await iscsi.disks(portals.length);
    return disks.map(({ name, lun, portal: at }) => `${name} is LUN ${lun} at ${at}`).join("\n");
  });

  await step("sees a disk of the right size, thin, with 512-byte sectors in 4 KiB blocks, without a write cache to flush", async () => {
    const names = ["size", "queue/logical_block_size", "queue/physical_block_size", "queue/minimum_io_size", "queue/optimal_io_size", "queue/discard_granularity", "queue/discard_max_bytes",
      "queue/write_zeroes_max_bytes", "queue/write_cache", "queue/fua", "queue/rotational", "queue/max_hw_sectors_kb", "queue/max_sectors_kb", "device/vendor", "device/model", "device/rev", "device/queue_depth"];
    const texts = await ofEach((name) => `cd /sys/block/${name}; for f in ${names.join(" ")}; do echo "$f $(cat $f)"; done; for f in device/scsi_disk/*/cache_type device/scsi_disk/*/provisioning_mode device/scsi_disk/*/thin_provisioning device/scsi_disk/*/zeroing_mode; do echo "\${f##*/} $(cat $f)"; done`);
    for (const text of texts) {
      const values = Object.fromEntries(text.split("\n").map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1).trim()]));
      expect(values).toMatchObject({ size: String(VOLUME_BYTES / 512), "queue/logical_block_size": "512", "queue/physical_block_size": "4096", "queue/rotational": "0", "queue/write_cache": "write through", provisioning_mode: "unmap", thin_provisioning: "1" });
      expect(Number(values["queue/discard_max_bytes"])).toBeGreaterThan(0);
      expect(Number(values["queue/discard_granularity"])).toBe(4096);
    }
    expect(new Set(texts).size).toBe(1);
    return texts[0];
  });

  await step("sees one identity through all portals", async () => {
    const wwids = await ofEach((name) => `cat /sys/block/${name}/device/wwid`);
    expect(wwids[0]).toMatch(/^naa\.6/);
    expect(new Set(wwids).size).toBe(1);
    const serials = await ofEach((name) => `sg_vpd -p 0x80 /dev/${name} | tail -n 1`);
    expect(new Set(serials).size).toBe(1);
    const pages = await ofEach((name) => `sg_vpd -p 0x83 /dev/${name}`);
    return `${wwids[0] ?? ""}, ${serials[0]?.trim() ?? ""}\n${pages[0] ?? ""}`;
  });

  await step("an ext4 filesystem written through one portal is read back the same through another", async () => {
    const made = await guest.must(`
      mkfs.ext4 -q ${disk(0)}
      mount -o discard ${disk(0)} /mnt
      mkdir /mnt/deep
      for i in 1 2 3 4 5 6; do dd if=/dev/urandom of=/mnt/deep/$i bs=1M count=8 conv=fsync 2>/dev/null; done
      for i in $(seq 200); do echo "file $i" >/mnt/small-$i; done
      sync
      rm /mnt/deep/6
      sync
      /sbin/fstrim -v /mnt
      (cd /mnt; find . -type f | sort | xargs sha256sum) >/run/sums
      umount /mnt
      wc -l </run/sums`, WRITE_SECONDS_MAX);
    const read = await guest.must(`
      e2fsck -fn ${disk(2)}
      mount -o ro ${disk(1)} /mnt
      (cd /mnt; sha256sum -c /run/sums) | grep -vc ': OK$' || true
      umount /mnt`, WRITE_SECONDS_MAX);
    expect(read.split("\n").at(-1)).toBe("0");
    return `${made}\n${read}`;
  });

  await step("blkdiscard leaves zeros for every portal", async () => {
    const said = await guest.must(`
      /sbin/blkdiscard -f -v ${disk(0)}
      blockdev --flushbufs ${disk(1)}
      head -c ${64 * MIB} ${disk(1)} | cmp -n ${64 * MIB} - /dev/zero
      dd if=/dev/urandom of=${disk(0)} bs=1M count=8 seek=100 conv=fsync 2>/dev/null
      /sbin/blkdiscard -f -z -o ${102 * MIB} -l ${2 * MIB} ${disk(0)}
      blockdev --flushbufs ${disk(2)}
      dd if=${disk(2)} bs=1M skip=102 count=2 2>/dev/null | cmp -n ${2 * MIB} - /dev/zero
      dd if=${disk(0)} bs=1M skip=104 count=4 iflag=direct 2>/dev/null | sha256sum
      dd if=${disk(2)} bs=1M skip=104 count=4 iflag=direct 2>/dev/null | sha256sum`, WRITE_SECONDS_MAX);
    const sums = said.split("\n").slice(-2);
    expect(sums[0]).toBe(sums[1] ?? "");
    return said;
  });

  await step("a new mapping is noticed: the kernel is told that its LUNs changed and a scan finds the second disk", async () => {
    await trial.must("volume", "create", "second", "--size", "256MiB");
    await trial.must("map", "second", "plain");
    await guest.run(`dd if=${disk(0)} of=/dev/null bs=4k count=1 iflag=direct`);
    await iscsi.rescan();
    const found = await iscsi.disks(2 * portals.length);
    const told = await guest.must("dmesg | grep -c 'LUN assignments on this target have changed' || true");
    return `${found.filter(({ lun }) => lun !== disks[0]?.lun).map(({ name }) => name).join(" ")}; told ${told} times`;
  });
  return disks;
}
