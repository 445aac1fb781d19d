import type { EmbeddedFile } from "./web-files.ts";

/** Null when run from the sources. scripts/build.ts compiles a list of the bundle's files in the place of this file. */
export const embedded: readonly EmbeddedFile[] | null = null;
