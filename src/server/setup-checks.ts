import { networkInterfaces } from "node:os";
import { isIPv4 } from "node:net";
import * as v from "valibot";
import { serverName } from "../cluster/schema.ts";
import { FIRST_USER, unfitPassword } from "../cluster/users.ts";
import type { DrivePlaces } from "../formation/places.ts";
import type { LocalCreateBody, LocalJoinBody } from "../management/api/local.ts";
import { Problem } from "../management/problem.ts";

const CLUSTER_NAME = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$/;

/** What can be known before anything is changed. Rejects with a `Problem` whose sentence is for the console. */
export async function checkCreate(body: LocalCreateBody, places: DrivePlaces): Promise<void> {
  if (!CLUSTER_NAME.test(body.clusterName)) throw new Problem("bad-request", "A cluster's name has 1 to 63 letters, digits, blanks, dots, dashes and underscores, the first a letter or digit.");
  checkServer(body.serverName, body.address);
  const why = unfitPassword(body.adminPassword, FIRST_USER);
  if (why !== null) throw new Problem("bad-request", why);
  if (body.evaluation && body.drives.length === 0) throw new Problem("bad-request", "An evaluation needs a drive: choose one.");
  await checkDrives(body.drives, places);
}

export async function checkJoin(body: LocalJoinBody, places: DrivePlaces): Promise<void> {
  checkServer(body.serverName, body.ownAddress);
  await checkDrives(body.drives, places);
}

function checkServer(name: string, address: string): void {
  if (!v.is(serverName, name)) throw new Problem("bad-request", "A server's name has 1 to 63 small letters, digits and dashes; it begins and ends with no dash.");
  if (!isIPv4(address)) throw new Problem("bad-request", `"${address}" is not an address such as 192.168.1.11.`);
  if (!isOwnAddress(address)) throw new Problem("bad-request", `This server does not have the address ${address}. Set up its network first, or choose one of ${ownAddresses().join(", ")}.`);
}

async function checkDrives(drives: readonly string[], places: DrivePlaces): Promise<void> {
  if (new Set(drives).size !== drives.length) throw new Problem("bad-request", "A drive is named twice.");
  for (const place of drives) {
    const why = await places.unfit(place);
    if (why !== null) throw new Problem("not-possible", `${why}. Choose another drive.`);
  }
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address));
}

/** All of 127.0.0.0/8 is this machine's, though only 127.0.0.1 is listed. */
function isOwnAddress(address: string): boolean {
  return address.startsWith("127.") || ownAddresses().includes(address);
}
