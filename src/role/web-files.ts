import { gunzipSync, gzipSync } from "node:zlib";
import type { WebFile } from "../management/web-pages.ts";

/** What scripts/build.ts has put into the executable: the bundle's files, compressed. */
export interface EmbeddedFile {
  readonly path: string;
  readonly type: string;
  /** Where the executable keeps it. */
  readonly file: string;
}

/** The files of the web UI, by path. Read once; the compiled executable holds them, the sources are bundled when first asked for. */
export function webFiles(): () => Promise<ReadonlyMap<string, WebFile>> {
  let files: Promise<ReadonlyMap<string, WebFile>> | null = null;
  return () => (files ??= loadFiles());
}

async function loadFiles(): Promise<ReadonlyMap<string, WebFile>> {
  const embedded = await embeddedFiles();
  if (embedded !== null) {
    const read = embedded.map(async ({ path, type, file }) => {
      const gzip = new Uint8Array(await Bun.file(file).arrayBuffer());
      return [path, { type, gzip, plain: () => new Uint8Array(gunzipSync(gzip)) }] as const;
    });
    return new Map(await Promise.all(read));
  }
  const { bundleWeb } = await import("../web/bundle/bundle.ts");
  return new Map((await bundleWeb()).map(({ path, type, bytes }) => [path, { type, gzip: new Uint8Array(gzipSync(bytes)), plain: () => bytes }]));
}

/** The build puts another module in the place of this one's answer. */
async function embeddedFiles(): Promise<readonly EmbeddedFile[] | null> {
  return (await import("./web-embedded.ts")).embedded;
}
