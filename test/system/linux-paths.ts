import { expect } from "bun:test";
import type { Disk } from "./linux-disks.ts";
import type { Stage } from "./linux-stage.ts";
import { VOLUME_BYTES, WRITE_SECONDS_MAX } from "./linux-story.ts";

const FILES = 6;
/** The path is given up this long after it was lost; Debian's configuration says 120 s, for disks without multipath. */
const REPLACEMENT_SECONDS = 5;
/** iscsid asks again every few seconds; a session may be found lost only by its NOP, after 10 s. */
const PATH_BACK_SECONDS_MAX = 90;

/** Says what took how long. */
class Laps {
  readonly #said: string[] = [];
  #lastMs = performance.now();
  lap(what: string): void {
    this.#said.push(`${what} ${((performance.now() - this.#lastMs) / 1000).toFixed(1)} s`);
    this.#lastMs = performance.now();
  }
  toString(): string {
    return this.#said.join(", ");
  }
}

/** Servers are killed behind the paths of `disks`, which are one volume through every portal. */
export async function pathStory({ guest, trial, iscsi, step, forgive }: Stage, disks: readonly Disk[]): Promise<void> {
  const disk = (i: number): string => `/dev/${disks[i]?.name ?? ""}`;
  const serverOf = (i: number): string => trial.servers.find(({ portal }) => portal === disks[i]?.portal)?.name ?? "";
  const pathsBack = (): Promise<string> => guest.must("until [ -z \"$(grep -L LOGGED_IN /sys/class/iscsi_session/*/state)\" ]; do sleep 0.2; done", PATH_BACK_SECONDS_MAX);
  /** Writes the same random bytes FILES times, to where `of` says for the shell variable i, in the background. */
  const write = (of: string): Promise<string> =>
    guest.must(`
      [ -e /run/random ] || dd if=/dev/urandom of=/run/random bs=1M count=32 2>/dev/null
      rm -f /run/writer
      (for i in $(seq ${FILES}); do
        read -r begun rest </proc/uptime
        dd if=/run/random ${of} 2>/run/dd || { cat /run/dd; echo lost; }
        read -r ended rest </proc/uptime
        echo "$i $begun $ended" | awk '{ printf "write %d took %.1f s\\n", $1, $3 - $2 }'
      done; echo done) >/run/writer 2>&1 &`, WRITE_SECONDS_MAX);
  const begun = (): Promise<string> => guest.must("until grep -qE 'write 1|done' /run/writer; do sleep 0.1; done", WRITE_SECONDS_MAX);
  const written = async (): Promise<string> => {
    const said = await guest.must("until grep -q done /run/writer; do sleep 0.2; done; cat /run/writer", 2 * WRITE_SECONDS_MAX);
    expect(said).not.toContain("lost");
    return said;
  };

  await step("writing through one portal goes on while the server behind another is killed, and that path comes back", async () => {
    const laps = new Laps();
    await write(`of=${disk(1)} bs=256k seek=$((i * 128)) oflag=direct`);
    await begun();
    laps.lap("first write");
    await trial.must("trial", "kill-server", serverOf(0));
    laps.lap("server killed");
    const said = await written();
    laps.lap("all written");
    await trial.must("trial", "start-server", serverOf(0));
    laps.lap("server started");
    await pathsBack();
    laps.lap("path back");
    const read = await guest.must(`
      for i in $(seq ${FILES}); do dd if=${disk(0)} bs=256k skip=$((i * 128)) count=128 iflag=direct 2>/dev/null | cmp - /run/random; done
      echo "read back the same through the path that was lost"`, WRITE_SECONDS_MAX);
    laps.lap("read");
    await trial.health("healthy");
    laps.lap("healthy");
    return `${said}\n${read}\n${laps.toString()}`;
  });

  await step("writing through one portal waits while its own server is killed and started again, and loses nothing", async () => {
    const laps = new Laps();
    await write(`of=${disk(0)} bs=256k seek=$((i * 128)) oflag=direct`);
    await begun();
    await trial.must("trial", "kill-server", serverOf(0));
    await Bun.sleep(3000);
    laps.lap("server killed");
    await trial.must("trial", "start-server", serverOf(0));
    laps.lap("server started");
    const said = await written();
    laps.lap("all written");
    const read = await guest.must(`
      for i in $(seq ${FILES}); do dd if=${disk(2)} bs=256k skip=$((i * 128)) count=128 iflag=direct 2>/dev/null | cmp - /run/random; done
      echo "read back the same through another path"`, WRITE_SECONDS_MAX);
    await trial.health("healthy");
    laps.lap("healthy");
    return `${said}\n${read}\n${laps.toString()}`;
  });

  await step("a filesystem on two paths outlives the server behind the path in use", async () => {
    const laps = new Laps();
    await guest.must(`for f in /sys/class/iscsi_session/session*/recovery_tmo; do echo ${REPLACEMENT_SECONDS} >$f; done`);
    // What multipathd would set up: each path a group of its own, the first one preferred; with no path left, wait.
    const table = `0 ${VOLUME_BYTES / 512} multipath 1 queue_if_no_path 0 2 1 round-robin 0 1 1 ${disk(0)} 1 round-robin 0 1 1 ${disk(1)} 1`;
    // The kernel names each command that it sends again over the other path an I/O error of the lost one.
    forgive(new RegExp(`I/O error, dev ${disks[0]?.name ?? ""},`));
    await guest.must(`
      mkdir -p /dev/mapper
      dmsetup --noudevsync --noudevrules create both --table "${table}"
      dmsetup --noudevsync mknodes
      mkfs.ext4 -q /dev/mapper/both
      mount /dev/mapper/both /mnt`, WRITE_SECONDS_MAX);
    await write("of=/mnt/$i bs=1M conv=fsync");
    await begun();
    laps.lap("first write");
    await trial.must("trial", "kill-server", serverOf(0));
    const said = await written();
    laps.lap("all written");
    const status = await guest.must("dmsetup status both; umount /mnt; dmsetup --noudevsync remove both", WRITE_SECONDS_MAX);
    expect(status).toMatch(/ F \d+ .* A \d+/);
    await trial.must("trial", "start-server", serverOf(0));
    await pathsBack();
    laps.lap("path back");
    const read = await guest.must(`
      e2fsck -fn ${disk(2)}
      mount -o ro ${disk(2)} /mnt
      for i in $(seq ${FILES}); do cmp /mnt/$i /run/random; done
      umount /mnt`, WRITE_SECONDS_MAX);
    await trial.health("healthy");
    laps.lap("read and healthy");
    return `${said}\n${status}\n${read.split("\n").at(-1) ?? ""}\n${laps.toString()}`;
  });

  await step("logs out and leaves no disk behind", async () => {
    await iscsi.logoutAll();
    expect(await iscsi.disks(0)).toEqual([]);
  });
}
