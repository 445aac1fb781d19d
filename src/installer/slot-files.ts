import { createHash } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { MANIFEST, SLOT_FILES, slotBytes, type Manifest, type Medium } from "./medium.ts";

/** Bytes read and written at a time: large enough for a disk, small beside the memory of the smallest server. */
const PIECE_BYTES = 4 * 2 ** 20;

/** Called with bytes done and bytes in all. */
export type Advance = (doneBytes: number, ofBytes: number) => void;

/** Compares the checksum of each of a slot's files with the manifest. Throws an Error that names the file. */
export async function verifySlot(directory: string, manifest: Manifest, where: string, advance: Advance): Promise<void> {
  const total = slotBytes(manifest);
  let done = 0;
  for (const name of SLOT_FILES) {
    const sum = await eachPiece(join(directory, name), (piece) => {
      done += piece.length;
      advance(done, total);
    });
    if (sum !== manifest.files[name].sha256) throw new Error(`${name} on ${where} does not have the content that it should have.`);
  }
}

/**
 * Copies a slot's files under temporary names, makes them durable, and renames each when it is whole and right. The manifest
 * comes last: a slot that has it has everything.
 */
export async function copySlot(medium: Medium, to: string, advance: Advance): Promise<void> {
  const total = slotBytes(medium.manifest);
  let done = 0;
  for (const name of SLOT_FILES) {
    const temporary = join(to, `${name}.new`);
    const file = await open(temporary, "w", 0o644);
    try {
      let at = 0;
      const sum = await eachPiece(join(medium.directory, name), async (piece) => {
        await writeAll(file, piece, at);
        at += piece.length;
        done += piece.length;
        advance(done, total);
      });
      if (sum !== medium.manifest.files[name].sha256) throw new Error(`${name} was read from the medium with errors. Write the ISO to the medium again.`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(to, name));
  }
  await writeDurably(to, MANIFEST, medium.manifestText);
}

/** Replaces a small file so that after a power cut there is the old one or the new one. */
export async function writeDurably(directory: string, name: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(directory, `${name}.new`);
  await rm(temporary, { force: true });
  const file = await open(temporary, "w", 0o644);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(directory, name));
  await syncDirectory(directory);
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Reads a file from its beginning to its end and gives its SHA-256 in hexadecimal digits. The piece is only good inside `use`. */
async function eachPiece(path: string, use: (piece: Buffer) => void | Promise<void>): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(PIECE_BYTES);
  const file = await open(path);
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, null);
      if (bytesRead === 0) return hash.digest("hex");
      const piece = buffer.subarray(0, bytesRead);
      hash.update(piece);
      await use(piece);
    }
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, piece: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < piece.length) written += (await file.write(piece, written, piece.length - written, position + written)).bytesWritten;
}
