import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { VERSION } from "../base/version.ts";
import { mediumDevices } from "./machine.ts";
import { withMount } from "./mounts.ts";
import { bytesText } from "./words.ts";

/** What a slot holds, in the order in which it is copied. */
export const SLOT_FILES = ["vmlinuz", "initrd.img", "base.cpio", "app.cpio"] as const;
export type SlotFile = (typeof SLOT_FILES)[number];
const FOLDER = "vs";
export const MANIFEST = "manifest.json";

const FILE = v.object({ bytes: v.pipe(v.number(), v.integer(), v.minValue(1)), sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) });
const MANIFEST_SCHEMA = v.object({
  version: v.string(),
  files: v.object({ vmlinuz: FILE, "initrd.img": FILE, "base.cpio": FILE, "app.cpio": FILE }),
});
/** manifest.json: the version, and size and checksum of each file of a slot. */
export type Manifest = v.InferOutput<typeof MANIFEST_SCHEMA>;

/** The files to install, and where they lie. */
export interface Medium {
  readonly directory: string;
  readonly manifest: Manifest;
  readonly manifestText: string;
}

/**
 * Finds the installation medium, mounts it and runs `use`; with a directory given, that is the medium. Of several media only one with
 * the version that runs is taken: it is the one that was checked by starting from it.
 */
export async function withMedium<T>(directory: string | null, use: (medium: Medium) => Promise<T>): Promise<T> {
  if (directory !== null) return use(await readMedium(directory));
  const others: string[] = [];
  for (const device of await mediumDevices()) {
    const done = await withMount({ device, type: "iso9660", options: "ro" }, async (at) => {
      const medium = await readMedium(join(at, FOLDER));
      if (medium.manifest.version === VERSION) return { value: await use(medium) };
      others.push(`${device} (version ${medium.manifest.version})`);
      return null;
    });
    if (done !== null) return done.value;
  }
  throw new Error(
    others.length === 0
      ? "The installation medium is not there any more. Put it back (or connect the virtual medium again) and try again; nothing was changed."
      : `There is only another version's installation medium: ${others.join(", ")}; version ${VERSION} runs. Put its medium back and try again; nothing was changed.`,
  );
}

/** Reads the manifest and compares names and sizes; the checksums are for `steps.ts`, with progress. */
export async function readMedium(directory: string): Promise<Medium> {
  const path = join(directory, MANIFEST);
  if (!existsSync(path)) throw new Error(`${path} is missing: this is no VirtuStor installation medium. Write the ISO to the medium again.`);
  const manifestText = await readFile(path, "utf8");
  let parsed: unknown;
  try {
    parsed = JSON.parse(manifestText);
  } catch {
    parsed = null;
  }
  const checked = v.safeParse(MANIFEST_SCHEMA, parsed);
  if (!checked.success) throw new Error(`${path} is damaged. Write the ISO to the medium again.`);
  for (const name of SLOT_FILES) {
    const size = (await stat(join(directory, name)).catch(() => null))?.size;
    const expected = checked.output.files[name].bytes;
    if (size !== expected) {
      throw new Error(`${join(directory, name)} ${size === undefined ? "is missing" : `has ${bytesText(size)} instead of ${bytesText(expected)}`}: the medium is damaged. Write the ISO to it again.`);
    }
  }
  return { directory, manifest: checked.output, manifestText };
}

export function slotBytes({ files }: Manifest): number {
  return SLOT_FILES.reduce((sum, name) => sum + files[name].bytes, 0);
}
