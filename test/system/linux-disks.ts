import type { GuestOutcome, LinuxGuest } from "./linux-guest.ts";

/** A disk of the guest and the portal that its session goes to. */
export interface Disk {
  /** As in "sda". */
  readonly name: string;
  readonly lun: number;
  /** "ADDRESS:PORT", as discovered. */
  readonly portal: string;
}

export interface Credentials {
  readonly user: string;
  readonly secret: string;
}

const DISKS_WITHIN_S = 20;

/** open-iscsi in the guest, as the administrator of a Linux host uses it. */
export class OpenIscsi {
  readonly #guest: LinuxGuest;
  readonly #target: string;

  constructor(guest: LinuxGuest, target: string) {
    this.#guest = guest;
    this.#target = target;
  }

  /** Starts iscsid as this initiator, with Debian's configuration. What an earlier one knew is forgotten. */
  async start(initiator: string): Promise<void> {
    await this.#guest.must(`
      if pidof iscsid >/dev/null; then iscsiadm -k 0; while pidof iscsid >/dev/null; do sleep 0.1; done; fi
      rm -rf /etc/iscsi/nodes /etc/iscsi/send_targets
      echo InitiatorName=${initiator} >/etc/iscsi/initiatorname.iscsi
      iscsid`);
  }

  /** SendTargets; returns iscsiadm's lines: "ADDRESS:PORT,GROUP TARGET". Makes a node record for each. */
  async discover(portal: string): Promise<readonly string[]> {
    return (await this.#guest.must(`iscsiadm -m discovery -t sendtargets -p ${portal}`)).split("\n");
  }

  /** Changes a setting of all node records. */
  async set(name: string, value: string): Promise<void> {
    await this.#guest.must(`iscsiadm -m node -T ${this.#target} -o update -n ${name} -v '${value}'`);
  }

  async setChap({ user, secret }: Credentials): Promise<void> {
    await this.set("node.session.auth.authmethod", "CHAP");
    await this.set("node.session.auth.username", user);
    await this.set("node.session.auth.password", secret);
  }

  /** Logs in through a discovered portal; returns iscsiadm's exit code (0, or 24 for a refused authorization) and words. */
  async login(portal: string): Promise<GuestOutcome> {
    return await this.#guest.run(`iscsiadm -m node -T ${this.#target} -p ${portal} --login`);
  }

  /** CHAP for discovery: a target asks a host that has CHAP there, too. */
  async setDiscoveryChap({ user, secret }: Credentials): Promise<void> {
    await this.#guest.must(`
      sed -i '/^discovery.sendtargets.auth/d' /etc/iscsi/iscsid.conf
      printf 'discovery.sendtargets.auth.%s\\n' 'authmethod = CHAP' 'username = ${user}' 'password = ${secret}' >>/etc/iscsi/iscsid.conf`);
  }

  async logoutAll(): Promise<void> {
    await this.#guest.must(`iscsiadm -m node -T ${this.#target} --logout`, 90);
  }

  /** Asks every session for its LUNs again. */
  async rescan(): Promise<void> {
    await this.#guest.must("iscsiadm -m session --rescan");
  }

  /** The disks of all sessions, once there are `count`. */
  async disks(count: number): Promise<readonly Disk[]> {
    let found: Disk[] = [];
    for (let tries = 0; tries < DISKS_WITHIN_S * 2; tries++) {
      const text = await this.#guest.must(`
        for disk in /sys/class/iscsi_session/session*/device/target*/*/block/sd*; do
          [ -e "$disk" ] || continue
          session=\${disk%/device/target*}; number=\${session##*session}; unit=\${disk%/block/*}
          for c in /sys/class/iscsi_connection/connection$number:*; do
            echo "\${disk##*/} \${unit##*:} $(cat $c/persistent_address):$(cat $c/persistent_port)"
          done
        done`);
      found = text.split("\n").filter((line) => line !== "").map((line) => {
        const [name = "", lun = "", portal = ""] = line.split(" ");
        return { name, lun: Number(lun), portal };
      });
      if (found.length === count) return found.sort((a, b) => a.lun - b.lun || a.portal.localeCompare(b.portal));
      await Bun.sleep(500);
    }
    throw new Error(`expected ${count} disks, found ${JSON.stringify(found)}`);
  }
}
