import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { EXTENT_BYTES } from "../../src/base/geometry.ts";
import { EXTENTS, parseExtentName } from "../../src/storage/drive/layout.ts";
import type { Verifier } from "../initiator/verifier.ts";
import { note, type TrialUnderTest } from "./trial-under-test.ts";

const BLOCKS_PER_EXTENT = 1024;

interface Copy {
  readonly server: string;
  readonly drive: string;
  readonly path: string;
}

/** What lies on the drives: the copies of each extent, by its name. */
function copiesOnDrives(trial: TrialUnderTest): Map<string, Copy[]> {
  const copies = new Map<string, Copy[]>();
  for (const { name: server, drives } of trial.servers) {
    for (const drive of drives) {
      const files = readdirSync(join(drive, EXTENTS), { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
      for (const { name, parentPath } of files) {
        expect(parseExtentName(name)).not.toBeNull();
        const list = copies.get(name) ?? [];
        list.push({ server, drive, path: join(parentPath, name) });
        copies.set(name, list);
      }
    }
  }
  return copies;
}

/** Each written extent lies on two drives of two servers, with the same 4 MiB of data. The trial must be down. */
export async function expectTwoEqualCopies(trial: TrialUnderTest, client: Verifier): Promise<void> {
  const copies = copiesOnDrives(trial);
  const wrong: string[] = [];
  const written = new Set(Array.from({ length: client.ledger.blocks }, (_, block) => block).filter((block) => client.ledger.wasIssued(block)).map((block) => Math.floor(block / BLOCKS_PER_EXTENT)));
  const found = new Set([...copies.keys()].map((name) => parseExtentName(name)?.extent as number));
  for (const extent of written) if (!found.has(extent)) wrong.push(`extent ${extent} was written and lies on no drive`);
  for (const [name, places] of copies) {
    const servers = new Set(places.map(({ server }) => server));
    if (places.length !== 2 || servers.size !== 2) wrong.push(`${name} lies on ${places.map(({ drive }) => drive.slice(trial.directory.length)).join(", ")}`);
    const [one, two] = await Promise.all(places.slice(0, 2).map(({ path }) => firstBytes(path)));
    if (one !== undefined && two !== undefined && !one.equals(two)) wrong.push(`${name} differs at byte ${one.findIndex((byte, at) => byte !== two[at])}: ${places.map(({ drive }) => drive.slice(trial.directory.length)).join(", ")}`);
  }
  expect(wrong.slice(0, 20)).toEqual([]);
  const perDrive = new Map<string, number>();
  for (const { drive } of [...copies.values()].flat()) perDrive.set(drive, (perDrive.get(drive) ?? 0) + 1);
  note(`${copies.size} extents, copies of each drive: ${[...perDrive.values()].sort((a, b) => a - b).join(" ")}`);
}

async function firstBytes(path: string): Promise<Buffer> {
  const file = await open(path);
  const data = Buffer.alloc(EXTENT_BYTES);
  const { bytesRead } = await file.read(data, 0, EXTENT_BYTES, 0);
  await file.close();
  expect(bytesRead).toBe(EXTENT_BYTES);
  return data;
}
