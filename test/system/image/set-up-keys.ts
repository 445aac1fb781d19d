import { DOWN, ENTER, type ConsoleKeys } from "./install-keys.ts";

const RIGHT = "\x1b[C";
const SPACE = " ";
/** Ctrl-U: empties a field. */
const CLEAR = "\x15";

/** An emulated machine on a busy one: from power-on to the first screen, for a page, for a try of the network, and for all steps behind. */
const START_WITHIN_MS = 900_000;
const PAGE_WITHIN_MS = 180_000;
const TRY_WITHIN_MS = 400_000;
const FORM_WITHIN_MS = 900_000;
/** A server has fewer drives and ports than that. */
const LINES_MAX = 100;

export interface NetworkByKeys {
  /** Of the port that carries the server. */
  readonly mac: string;
  readonly address: string;
  readonly prefix: number;
  /** "" = none. */
  readonly gateway: string;
  /** What the machine's other ports do; null when it has none. */
  readonly otherPorts: "off" | "dhcp" | null;
}
export interface ServerByKeys {
  readonly serverName: string;
  readonly network: NetworkByKeys;
  /** Names of empty drives, such as "vdb". */
  readonly drives: readonly string[];
}
export interface CreateByKeys extends ServerByKeys {
  readonly clusterName: string;
  readonly password: string;
}
export interface JoinByKeys extends ServerByKeys {
  /** Of a server of the cluster. */
  readonly through: string;
  readonly code: string;
  /** As the other console shows it: both lines. */
  readonly fingerprint: readonly string[];
}
export interface Created {
  readonly code: string;
  readonly fingerprint: readonly string[];
  /** Number of keys that were pressed. */
  readonly pressed: number;
}

/** The keys of a person in front of a console, counted. */
class Fingers {
  pressed = 0;
  readonly #machine: ConsoleKeys;
  constructor(machine: ConsoleKeys) {
    this.#machine = machine;
  }
  press(keys: string, count = 1): void {
    this.#machine.send(keys);
    this.pressed += count;
  }
  expect(pattern: RegExp, withinMs = PAGE_WITHIN_MS): Promise<RegExpExecArray> {
    return this.#machine.expect(pattern, withinMs);
  }
  /** Empties the field with this label, once the cursor is in it, types and goes on. */
  async fill(label: string, text: string): Promise<void> {
    await this.expect(new RegExp(`> ${label} `));
    this.press(CLEAR);
    if (text !== "") this.press(text, text.length);
    this.press(ENTER);
  }
  /** Moves down a list with boxes to the line that has `wanted` in it, and checks it. */
  async check(wanted: string): Promise<void> {
    for (let tries = 0; ; tries++) {
      if (tries > LINES_MAX) throw new Error(`the console does not offer ${wanted}`);
      const [line] = await this.expect(/> \[.\] .*/);
      if (line.includes(wanted)) break;
      this.press(DOWN);
      await Bun.sleep(300);
    }
    this.press(SPACE);
    await this.expect(new RegExp(`> \\[x\\] .*${wanted}`));
  }
}

/** Sets a new server up as the first of a cluster, from power-on to the join code; the console then shows the status. */
export async function createByKeys(machine: ConsoleKeys, options: CreateByKeys): Promise<Created> {
  const hand = new Fingers(machine);
  await hand.expect(/> Create a cluster/, START_WITHIN_MS);
  hand.press(ENTER);
  await hand.fill("Name of the cluster", options.clusterName);
  await hand.fill("Name of this server", options.serverName);
  await network(hand, options.network, /administrator's password/);
  await hand.fill("Password", options.password);
  await hand.fill("Once more", options.password);
  await drives(hand, options.drives);
  await hand.expect(/> Create the cluster/);
  hand.press(ENTER);
  const shown = await formed(hand, /([0-9A-Z]{4}-[0-9A-Z]{4}), valid until[^]*fingerprint[^]*?\n +((?:[0-9A-F]{4}-?){4}) *\n +((?:[0-9A-F]{4}-?){4})/);
  hand.press(ENTER);
  await hand.expect(/Servers *\n/);
  return { code: shown[1] ?? "", fingerprint: [shown[2] ?? "", shown[3] ?? ""], pressed: hand.pressed };
}

/** Lets a new server join, from power-on to its status. Gives the number of keys that were pressed. */
export async function joinByKeys(machine: ConsoleKeys, options: JoinByKeys): Promise<number> {
  const hand = new Fingers(machine);
  await hand.expect(/> Create a cluster/, START_WITHIN_MS);
  hand.press(DOWN);
  await hand.expect(/> Join a cluster/);
  hand.press(ENTER);
  await hand.fill("Name of this server", options.serverName);
  await network(hand, options.network, /which cluster/);
  // The list grows when a cluster is found: the cursor is then on it.
  await hand.expect(/No cluster was found|These clusters were found/);
  hand.press("g");
  await hand.expect(/> Give an address/);
  hand.press(ENTER);
  await hand.fill("Address of a server", options.through);
  await hand.fill("Join code", options.code);
  const [shown] = await hand.expect(/> It is the same|! {2}.*\n.*/);
  if (!shown.startsWith(">")) throw new Error(shown);
  for (const line of options.fingerprint) await hand.expect(new RegExp(line));
  hand.press(ENTER);
  await drives(hand, options.drives);
  await hand.expect(/> Join the cluster/);
  hand.press(ENTER);
  await formed(hand, /Servers *\n/);
  return hand.pressed;
}

async function network(hand: Fingers, { mac, address, prefix, gateway, otherPorts }: NetworkByKeys, next: RegExp): Promise<void> {
  await hand.expect(/> Set the network/);
  hand.press(ENTER);
  await hand.expect(/Which port carries this server/);
  await hand.check(mac);
  hand.press(ENTER);
  await hand.expect(/> Address .*\(\*\) static/);
  hand.press(ENTER);
  await hand.fill("IPv4 address", address);
  await hand.fill("Prefix", String(prefix));
  await hand.fill("Gateway", gateway);
  for (const label of ["DNS servers", "VLAN", "MTU"]) await hand.fill(label, "");
  if (otherPorts !== null) {
    await hand.expect(/> Other ports/);
    if (otherPorts === "dhcp") hand.press(RIGHT);
    hand.press(ENTER);
  }
  const [end] = await hand.expect(new RegExp(`${next.source}|Enter: go on|The network is what it was[^]*`), TRY_WITHIN_MS);
  if (end.startsWith("The network")) throw new Error((await hand.expect(/[^]*/))[0]);
  // Kept with a warning: somebody has to have read it.
  if (end === "Enter: go on") hand.press(ENTER);
  await hand.expect(next);
}

async function drives(hand: Fingers, names: readonly string[]): Promise<void> {
  await hand.expect(/drives for data[^]*(> \[.\]|no free drive)/);
  for (const name of names) await hand.check(`${name} `);
  hand.press(ENTER);
}

async function formed(hand: Fingers, done: RegExp): Promise<RegExpExecArray> {
  const stopped = /! {2}[^]*/;
  const end = await hand.expect(new RegExp(`${done.source}|${stopped.source}`), FORM_WITHIN_MS);
  if (end[0].startsWith("!")) throw new Error(end[0]);
  return end;
}
