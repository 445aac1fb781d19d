import type { RoleContext } from "./role.ts";

/** A cluster key is 32 random bytes; a longer file is not one. */
const KEY_BYTES = 32;

/** The cluster key from its file; ends the process when it is not there. */
export async function readKey({ platform, config }: RoleContext): Promise<Uint8Array> {
  try {
    const file = await platform.files.open(config.clusterKeyFile, {});
    const bytes = Buffer.alloc(KEY_BYTES + 1);
    const length = await file.read(bytes, 0, bytes.length, 0);
    await file.close();
    if (length !== KEY_BYTES) throw new Error(`it does not hold ${KEY_BYTES} bytes`);
    return bytes.subarray(0, KEY_BYTES);
  } catch (error) {
    return platform.fatal("configuration", `the cluster key ${config.clusterKeyFile} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
