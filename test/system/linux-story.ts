import { expect } from "bun:test";
import type { Disk } from "./linux-disks.ts";
import { PLAIN, type Stage } from "./linux-initiator.ts";

const MIB = 2 ** 20;
const VOLUME_BYTES = 1024 * MIB;
/** Long enough for a server to be found dead and its groups to be served by others. */
const WRITE_SECONDS_MAX = 120;

/** Without CHAP: discovery, properties, filesystems, unmapping, and servers that die. */
export async function diskStory({ guest, trial, iscsi, step }: Stage): Promise<void> {
  const portals = trial.servers.map(({ portal }) => portal);
  const portal = (i: number): string => portals[i] ?? "";
  let disks: readonly Disk[] = [];
  const disk = (i: number): string => `/dev/${disks[i]?.name ?? ""}`;
  const ofEach = async (script: (name: string) => string): Promise<string[]> => Promise.all(disks.map(() => "")).then(async () => {
    const texts: string[] = [];
    for (const { name } of disks) texts.push(await guest.must(script(name)));
    return texts;
  });

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
    for (const one of portals) expect(await iscsi.login(one)).toBe(0);
    disks = await iscsi.disks(portals.length);
    return disks.map(({ name, lun, portal: at }) => `${name} is LUN ${lun} at ${at}`).join("\n");
  });

  await step("sees a disk of the right size, thin, with 512-byte sectors in 4 KiB blocks and a write cache to flush or none", async () => {
    const names = ["size", "queue/logical_block_size", "queue/physical_block_size", "queue/minimum_io_size", "queue/optimal_io_size", "queue/discard_granularity", "queue/discard_max_bytes",
      "queue/write_zeroes_max_bytes", "queue/write_cache", "queue/fua", "queue/rotational", "queue/max_hw_sectors_kb", "queue/max_sectors_kb", "device/vendor", "device/model", "device/rev", "device/queue_depth"];
    const texts = await ofEach((name) => `cd /sys/block/${name}; for f in ${names.join(" ")}; do echo "$f $(cat $f)"; done; for f in device/scsi_disk/*/cache_type device/scsi_disk/*/provisioning_mode device/scsi_disk/*/thin_provisioning device/scsi_disk/*/zeroing_mode; do echo "\${f##*/} $(cat $f)"; done`);
    for (const text of texts) {
      const values = Object.fromEntries(text.split("\n").map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1).trim()]));
      expect(values).toMatchObject({ size: String(VOLUME_BYTES / 512), "queue/logical_block_size": "512", "queue/physical_block_size": "4096", "queue/rotational": "0", provisioning_mode: "unmap", thin_provisioning: "1" });
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
      fstrim -v /mnt
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
      blkdiscard -f -v ${disk(0)}
      blockdev --flushbufs ${disk(1)}
      head -c ${64 * MIB} ${disk(1)} | cmp -n ${64 * MIB} - /dev/zero
      dd if=/dev/urandom of=${disk(0)} bs=1M count=8 seek=100 conv=fsync 2>/dev/null
      blkdiscard -f -z -o ${102 * MIB} -l ${2 * MIB} ${disk(0)}
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

  await step("writing through one portal goes on while the server behind another is killed, and that path comes back", async () => {
    await guest.must(`dd if=/dev/urandom of=/run/random bs=1M count=48 2>/dev/null
      (for i in 1 2 3 4; do dd if=/run/random of=${disk(1)} bs=256k seek=$((i * 192)) oflag=direct 2>&1 || echo lost; done; echo done) >/run/writer 2>&1 &`);
    await trial.must("trial", "kill-server", "server1");
    const said = await guest.must("while ! grep -q done /run/writer; do sleep 0.2; done; cat /run/writer", WRITE_SECONDS_MAX);
    expect(said).not.toContain("lost");
    await trial.must("trial", "start-server", "server1");
    await trial.health("healthy");
    const back = await guest.must(`
      until cmp -s -n ${4096} ${disk(0)} ${disk(1)}; do sleep 0.5; blockdev --flushbufs ${disk(0)}; done
      for i in 1 2 3 4; do dd if=${disk(0)} bs=256k skip=$((i * 192)) count=192 iflag=direct 2>/dev/null | cmp - /run/random; done
      echo "all read back through the path that was lost"`, WRITE_SECONDS_MAX);
    expect(Object.values(await iscsi.states())).toEqual(portals.map(() => "LOGGED_IN"));
    return `${said.split("\n").filter((line) => line.includes("copied")).join("\n")}\n${back}`;
  });

  await step("a multipath device outlives the server behind the path in use", async () => {
    const sectors = VOLUME_BYTES / 512;
    await iscsi.set("node.session.timeo.replacement_timeout", "5");
    await guest.must("for f in /sys/class/iscsi_session/session*/recovery_tmo; do echo 5 >$f; done");
    // What multipathd would set up: a path a group, the first one preferred, wait when none is left.
    const table = `0 ${sectors} multipath 1 queue_if_no_path 0 2 1 round-robin 0 1 1 ${disk(0)} 1 round-robin 0 1 1 ${disk(1)} 1`;
    await guest.must(`
      mkdir -p /dev/mapper
      dmsetup --noudevsync --noudevrules create both --table "${table}"
      dmsetup --noudevsync mknodes
      blkdiscard -f /dev/mapper/both
      mkfs.ext4 -q /dev/mapper/both
      mount /dev/mapper/both /mnt
      (for i in 1 2 3 4 5 6; do begun=$(date +%s); dd if=/run/random of=/mnt/$i bs=1M conv=fsync 2>/dev/null || echo lost; echo "file $i took $(($(date +%s) - begun)) s"; done; echo done) >/run/writer 2>&1 &`, WRITE_SECONDS_MAX);
    await guest.must("until grep -q 'file 1' /run/writer; do sleep 0.1; done", WRITE_SECONDS_MAX);
    await trial.must("trial", "kill-server", "server1");
    const said = await guest.must("while ! grep -q done /run/writer; do sleep 0.2; done; cat /run/writer; dmsetup status both", 2 * WRITE_SECONDS_MAX);
    expect(said).not.toContain("lost");
    await guest.must("umount /mnt; dmsetup --noudevsync remove both", WRITE_SECONDS_MAX);
    await trial.must("trial", "start-server", "server1");
    await trial.health("healthy");
    const read = await guest.must(`
      e2fsck -fn ${disk(2)}
      mount -o ro ${disk(2)} /mnt
      for i in 1 2 3 4 5 6; do cmp /mnt/$i /run/random; done
      umount /mnt`, WRITE_SECONDS_MAX);
    return `${said}\n${read}`;
  });

  await step("logs out and leaves no disk behind", async () => {
    await guest.must("for i in $(seq 60); do grep -L LOGGED_IN /sys/class/iscsi_session/*/state | grep -q . || break; sleep 0.5; done");
    await iscsi.logoutAll();
    expect(await iscsi.disks(0)).toEqual([]);
  });
}
