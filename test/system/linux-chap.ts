import { expect } from "bun:test";
import { CHAP, WITH_CHAP, type Stage } from "./linux-stage.ts";

/** iscsiadm's exit code when the target refuses the login (ISCSI_ERR_LOGIN_AUTH_FAILED). */
const REFUSED = 24;

/** With CHAP, and with digests over headers and data. */
export async function chapStory({ guest, trial, iscsi, step }: Stage): Promise<void> {
  const portals = trial.servers.map(({ portal }) => portal);
  const portal = portals[0] ?? "";

  await step("a host with CHAP is refused without it and with a wrong secret, in discovery and in login", async () => {
    await trial.must("volume", "create", "secret", "--size", "128MiB");
    await trial.must("host", "create", "chap", "--iqn", WITH_CHAP, "--chap", `${CHAP.user}:${CHAP.secret}`);
    await trial.must("map", "secret", "chap");
    await iscsi.start(WITH_CHAP);
    expect((await guest.run(`iscsiadm -m discovery -t sendtargets -p ${portal}`)).code).toBe(REFUSED);
    await iscsi.setDiscoveryChap(CHAP);
    expect(await iscsi.discover(portal)).toHaveLength(portals.length);
    expect(await iscsi.login(portal)).toMatchObject({ code: REFUSED });
    await iscsi.setChap({ user: CHAP.user, secret: "some-other-characters" });
    expect(await iscsi.login(portal)).toMatchObject({ code: REFUSED });
  });

  await step("logs in with CHAP, with digests, and a file written through one portal is the same through another", async () => {
    await iscsi.setChap(CHAP);
    for (const digest of ["node.conn[0].iscsi.HeaderDigest", "node.conn[0].iscsi.DataDigest"]) await iscsi.set(digest, "CRC32C");
    for (const one of portals.slice(0, 2)) expect(await iscsi.login(one)).toMatchObject({ code: 0 });
    const [first, second] = await iscsi.disks(2);
    const said = await guest.must(`
      cat /sys/class/iscsi_connection/connection*/header_digest /sys/class/iscsi_connection/connection*/data_digest
      mkfs.ext4 -q /dev/${first?.name ?? ""}
      mount /dev/${first?.name ?? ""} /mnt
      dd if=/dev/urandom of=/mnt/file bs=1M count=32 conv=fsync 2>/dev/null
      sha256sum </mnt/file
      umount /mnt
      mount -o ro /dev/${second?.name ?? ""} /mnt
      sha256sum </mnt/file
      umount /mnt`, 120);
    const lines = said.split("\n");
    expect(lines.slice(0, 4)).toEqual(["1", "1", "1", "1"]);
    expect(lines[4]).toBe(lines[5] ?? "");
  });

  await step("logs out of both portals", async () => {
    await iscsi.logoutAll();
    expect(await iscsi.disks(0)).toEqual([]);
  });
}
