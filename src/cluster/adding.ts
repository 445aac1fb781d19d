import * as v from "valibot";
import { serverName } from "./schema.ts";

/*
 * How a running server gets another drive, whichever server was asked for it.
 *
 * key                          | writer                                              | value
 * add-drive/<server>/<drive>   | management; that server's supervisor, which removes it when the drive runs | AddDrive
 * free-drives/<server>         | that server's supervisor, leased                     | FreeDrives: what could become a drive there
 *
 *     management: add-drive -> that server's supervisor: formats the place under this id, starts its storage process, removes the key
 */
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const addDrive = v.object({
  /** A device, or a directory. */
  place: v.string(),
  atMs: v.number(),
  /** What is on it is lost: the administrator has typed its name once more. */
  wipe: v.boolean(),
  /** Of a directory that shares its filesystem: how much the drive offers. Without it what is free there. */
  capacityBytes: v.optional(count),
  /** Why it could not be added, a sentence; then nothing more happens until somebody asks again. */
  failed: v.optional(v.string()),
});
export type AddDrive = v.InferOutput<typeof addDrive>;

export const freeDrives = v.object({
  server: serverName,
  drives: v.array(v.object({ device: v.string(), model: v.string(), serial: v.string(), sizeBytes: count, rotational: v.boolean(), content: v.string(), isEmpty: v.boolean() })),
});
export type FreeDrives = v.InferOutput<typeof freeDrives>;

export const addingKeys = {
  addDrive: (server: string, drive: string) => `add-drive/${server}/${drive}`,
  freeDrives: (server: string) => `free-drives/${server}`,
} as const;
