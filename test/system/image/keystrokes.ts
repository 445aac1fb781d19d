import type { Machine } from "./machine.ts";

/** Keys as a serial terminal sends them. */
export const KEYS = { enter: "\r", escape: "\x1b", up: "\x1b[A", down: "\x1b[B", right: "\x1b[C", backspace: "\x7f", space: " " } as const;
export type Key = keyof typeof KEYS;
/** A person's pace; what is typed while a screen changes would go to the next one. */
const BETWEEN_KEYS_MS = 300;
/** All of the processor is emulated, and the machine that emulates may have more to do. */
export const SLOW_MS = 400_000;
const SCREEN_MS = 120_000;

/** Gives keystrokes as a person would, one screen after the other, and counts them. */
export class Hands {
  count = 0;
  readonly machine: Machine;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  async sees(pattern: RegExp, withinMs = SCREEN_MS): Promise<RegExpExecArray> {
    return this.machine.expect(pattern, withinMs);
  }

  /** Names of keys, and texts that begin with "=". */
  async press(...keys: readonly (Key | `=${string}`)[]): Promise<void> {
    for (const key of keys) {
      const strokes = key.startsWith("=") ? [...key.slice(1)] : [KEYS[key as Key]];
      for (const stroke of strokes) {
        this.machine.send(stroke);
        this.count++;
        await Bun.sleep(BETWEEN_KEYS_MS / (strokes.length > 1 ? 3 : 1));
      }
    }
  }
}

/** From the installation medium to a system on the first drive; the machine is off afterwards. */
export async function install(hands: Hands): Promise<void> {
  await hands.sees(/Install VirtuStor/, SLOW_MS);
  await hands.press("enter");
  await hands.sees(/\d+ found, \d+ of them fit/);
  await hands.press("enter");
  await hands.sees(/Which drive shall the system be on/);
  await hands.press("enter");
  await hands.sees(/Erase this drive\?[\s\S]*type erase/);
  await hands.press("=erase", "enter");
  await hands.sees(/VirtuStor \S+ is installed on/, SLOW_MS);
  await hands.machine.kill();
}

/** The network step: the second port with a static address, DHCP on the first. */
async function network(hands: Hands, address: string): Promise<void> {
  await hands.sees(/> Set the network|Set the network/);
  await hands.sees(/> Set the network/);
  await hands.press("enter");
  await hands.sees(/Which port carries this server/);
  await hands.press("down", "space");
  await hands.sees(/> \[x\]/);
  await hands.press("enter");
  await hands.sees(/settings are tried, and kept only/);
  await hands.press("enter", `=${address}`, "enter", "enter", "enter", "enter", "enter", "enter", "right");
  await hands.sees(/Other ports {3}\( \) without an address {2}\(\*\) DHCP|> Other ports/);
  await hands.press("enter");
  await hands.sees(/\[ ok \] Keep the settings/, SLOW_MS);
  await hands.press("enter");
}

async function serverName(hands: Hands, name: string): Promise<void> {
  await hands.sees(/> Name of this server +server-1/);
  await hands.press("backspace", `=${name.slice("server-".length)}`);
  await hands.sees(new RegExp(`> Name of this server +${name}`));
  await hands.press("enter");
}

async function dataDrive(hands: Hands): Promise<void> {
  await hands.sees(/drives for data[\s\S]*> \[ \]/);
  await hands.press("space");
  await hands.sees(/> \[x\]/);
  await hands.press("enter");
}

export interface JoinWords {
  readonly code: string;
  readonly fingerprint: string;
}

/** The first server's set-up. Gives what the others need. */
export async function create(hands: Hands, address: string, password: string): Promise<JoinWords> {
  await hands.sees(/> Create a cluster/, SLOW_MS);
  await hands.press("enter");
  await hands.sees(/> Name of the cluster/);
  await hands.press("enter");
  await hands.sees(/> Name of this server/);
  await hands.press("enter");
  await network(hands, address);
  await hands.sees(/> Password/);
  await hands.press(`=${password}`, "enter");
  await hands.sees(/> Once more/);
  await hands.press(`=${password}`, "enter");
  await dataDrive(hands);
  await hands.sees(/> Create the cluster/);
  await hands.press("enter");
  const [, code = "", first = "", second = ""] = await hands.sees(/([0-9A-Z]{4}-[0-9A-Z]{4}), valid until[\s\S]*?([0-9A-F]{4}-[0-9A-F]{4}-\S+)\s+([0-9A-F]{4}-\S+)/, SLOW_MS);
  await hands.press("enter");
  return { code, fingerprint: `${first} ${second}` };
}

/** Another server's set-up, until it shows its status. */
export async function join(hands: Hands, name: string, addresses: { own: string; first: string }, { code, fingerprint }: JoinWords): Promise<void> {
  await hands.sees(/> Create a cluster/, SLOW_MS);
  await hands.press("down", "enter");
  await serverName(hands, name);
  await network(hands, addresses.own);
  await hands.sees(/> Give an address/);
  await hands.press("enter");
  await hands.sees(/> Address of a server/);
  await hands.press(`=${addresses.first}`, "enter");
  await hands.sees(/> Join code/);
  await hands.press(`=${code}`, "enter");
  const shown = await hands.sees(/Its\s+fingerprint:\s+([0-9A-F-]{19})\s+([0-9A-F-]{19})/, SLOW_MS);
  if (`${shown[1]} ${shown[2]}` !== fingerprint) throw new Error(`the joining server shows the fingerprint ${shown[1]} ${shown[2]}, the first one ${fingerprint}`);
  await hands.sees(/> It is the same/);
  await hands.press("enter");
  await dataDrive(hands);
  await hands.sees(/> Join the cluster/);
  await hands.press("enter");
  await hands.sees(new RegExp(`VirtuStor ${name} in cluster`), SLOW_MS);
}
