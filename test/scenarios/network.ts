import { readdirSync } from "node:fs";

/** Benchmark addresses (RFC 2544), which no real network has: 198.18.0.0 to 198.19.255.0, each of 254 hosts. */
const NETWORKS = Array.from({ length: 512 }, (_, index) => `198.${18 + (index >> 8)}.${index & 255}`);
const HOSTS_NUMBER = 254;
/** A neighbour at this Ethernet address is nobody: frames for it are lost in silence, as in a broken switch. */
const NOBODY = "02:00:00:00:00:99";

/**
 * Servers in network namespaces of their own, joined by a switch (a bridge in one more namespace), to which this process's own
 * namespace is joined too: that is where hosts are.
 *
 *     server1  server2  server3   this namespace
 *      eth0     eth0     eth0        vsPIDnN
 *        |        |        |           |
 *        +--------+--[ switch ]--------+
 */
export class TestNetwork {
  readonly namespaces: readonly string[];
  readonly addresses: readonly string[];
  readonly #switch: string;
  readonly #network: string;
  readonly #link: string;

  private constructor(servers: number, network: string, count: number) {
    const name = `virtustor-${process.pid}-${count}`;
    this.#network = network;
    this.#switch = `${name}-switch`;
    this.#link = `vs${process.pid}n${count}`;
    this.namespaces = Array.from({ length: servers }, (_, index) => `${name}-server${index + 1}`);
    this.addresses = this.namespaces.map((_, index) => `${network}.${index + 1}`);
  }

  /** Also removes what killed tests have left behind. When it fails nothing stays. */
  static make(servers = 3): TestNetwork {
    removeLeftOvers();
    const network = new TestNetwork(servers, freeNetwork(), ++networks);
    onExit(network);
    try {
      network.#build();
    } catch (error) {
      network.remove();
      throw error;
    }
    return network;
  }

  #build(): void {
    ip("netns", "add", this.#switch);
    ip("-n", this.#switch, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0");
    ip("-n", this.#switch, "link", "set", "bridge", "up");
    for (const [index, namespace] of this.namespaces.entries()) {
      ip("netns", "add", namespace);
      ip("link", "add", "eth0", "netns", namespace, "type", "veth", "peer", "name", port(index), "netns", this.#switch);
      ip("-n", namespace, "link", "set", "lo", "up");
      ip("-n", namespace, "address", "add", `${this.addresses[index]}/24`, "dev", "eth0");
      ip("-n", namespace, "link", "set", "eth0", "up");
      this.#plug(port(index));
    }
    ip("link", "add", this.#link, "type", "veth", "peer", "name", "hosts", "netns", this.#switch);
    ip("address", "add", `${this.#network}.${HOSTS_NUMBER}/24`, "dev", this.#link);
    ip("link", "set", this.#link, "up");
    this.#plug("hosts");
  }

  #plug(end: string): void {
    ip("-n", this.#switch, "link", "set", end, "master", "bridge");
    ip("-n", this.#switch, "link", "set", end, "up");
  }

  /** Pulls the cable of server `index`, from 0: it reaches nobody, nor does anybody reach it. */
  unplug(index: number): void {
    ip("-n", this.#switch, "link", "set", port(index), "down");
  }
  plug(index: number): void {
    ip("-n", this.#switch, "link", "set", port(index), "up");
  }

  /** From now on nothing that server `from` sends reaches server `to`; the other way stays as it is. */
  deafen(from: number, to: number): void {
    ip("-n", this.namespaces[from] ?? "", "neighbour", "replace", this.addresses[to] ?? "", "lladdr", NOBODY, "nud", "permanent", "dev", "eth0");
  }
  hear(from: number, to: number): void {
    ip("-n", this.namespaces[from] ?? "", "neighbour", "delete", this.addresses[to] ?? "", "dev", "eth0");
  }
  /** Neither of the two reaches the other; both still reach everybody else. */
  part(one: number, other: number): void {
    this.deafen(one, other);
    this.deafen(other, one);
  }
  rejoin(one: number, other: number): void {
    this.hear(one, other);
    this.hear(other, one);
  }

  /** Never throws: it stands in `finally`. A namespace goes when the last process in it has ended. */
  remove(): void {
    for (const namespace of [...this.namespaces, this.#switch]) Bun.spawnSync(["ip", "netns", "delete", namespace], { stderr: "ignore" });
    Bun.spawnSync(["ip", "link", "delete", this.#link], { stderr: "ignore" });
    made.delete(this);
  }
}

function port(index: number): string {
  return `server${index + 1}`;
}

function ip(...args: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["ip", ...args], { stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr.toString().trim()}`);
  return stdout.toString();
}

/** One that no route of this machine knows. */
function freeNetwork(): string {
  const routes = ip("-4", "route", "show", "table", "all");
  const first = process.pid % NETWORKS.length;
  const free = [...NETWORKS.slice(first), ...NETWORKS.slice(0, first)].find((network) => !routes.includes(`${network}.`));
  if (free === undefined) throw new Error("no network of 198.18.0.0/15 is free");
  return free;
}

let networks = 0;
const made = new Set<TestNetwork>();
function onExit(network: TestNetwork): void {
  if (networks === 1) process.once("exit", () => [...made].forEach((one) => one.remove()));
  made.add(network);
}

/** Of tests that were killed: their names tell whose they were. */
function removeLeftOvers(): void {
  const named = ip("netns", "list").split("\n").map((line) => line.split(" ")[0] ?? "");
  for (const name of named) if (isOrphan(/^virtustor-(\d+)-/.exec(name))) Bun.spawnSync(["ip", "netns", "delete", name], { stderr: "ignore" });
  for (const name of readdirSync("/sys/class/net")) if (isOrphan(/^vs(\d+)n\d+$/.exec(name))) Bun.spawnSync(["ip", "link", "delete", name], { stderr: "ignore" });
}

function isOrphan(match: RegExpExecArray | null): boolean {
  const pid = Number(match?.[1] ?? 0);
  if (pid === 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}
