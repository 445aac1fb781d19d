import * as v from "valibot";
import { assert } from "../../base/assert.ts";
import type { Change, Versioned } from "../store.ts";

/*
 * The embedded store's protocol on its Unix socket. Each side sends frames:
 *
 *   offset | size | field  | meaning
 *   0      | 4    | length | of what follows, little-endian, 1 to FRAME_BYTES_MAX
 *   4      | n    | body   | one JSON object, UTF-8
 *
 * The client's first frame is HELLO. Then it sends requests and gets, for each, one answer with the same `id`; lists too
 * long for a frame come as several answers of which all but the last have `more`. A watch's `id` goes on to label its
 * changes until `unwatch`.
 */

/** Far above any one answer's useful size; a longer length is garbage or an attack. */
export const FRAME_BYTES_MAX = 1024 * 1024;
const LENGTH_BYTES = 4;
/** Where a list is cut into frames: with one value of at most TRANSACTION_BYTES_MAX more, a frame still fits. */
const PART_BYTES = 64 * 1024;

export const HELLO = { protocol: "virtustor-store", version: 1 } as const;

const id = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const text = v.string();
const revision = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const requestSchema = v.variant("ask", [
  v.object({ id, ask: v.literal("get"), key: text }),
  v.object({ id, ask: v.literal("range"), prefix: text }),
  v.object({
    id,
    ask: v.literal("transact"),
    compares: v.array(v.object({ key: text, revision })),
    puts: v.array(v.object({ key: text, value: text, lease: v.nullable(text) })),
    deletes: v.array(text),
  }),
  v.object({ id, ask: v.literal("watch"), prefix: text }),
  v.object({ id, ask: v.literal("unwatch") }),
  v.object({ id, ask: v.literal("grant"), ttlMs: v.number() }),
  v.object({ id, ask: v.literal("keepAlive"), lease: text }),
  v.object({ id, ask: v.literal("revoke"), lease: text }),
]);
export type Request = v.InferOutput<typeof requestSchema>;
export type RequestOf<Ask extends Request["ask"]> = Extract<Request, { ask: Ask }>;
export const helloSchema = v.object({ protocol: v.literal(HELLO.protocol), version: v.literal(HELLO.version) });

/** What an answer says; every frame also carries `id`, `storeId` and `revision`. */
export type AnswerBody =
  | { readonly kind: "entries"; readonly entries: readonly Versioned[]; readonly more: boolean }
  | { readonly kind: "changes"; readonly changes: readonly Change[]; readonly more: boolean }
  | { readonly kind: "success" | "refused" | "done" }
  | { readonly kind: "lease"; readonly lease: string }
  | { readonly kind: "alive"; readonly alive: boolean }
  | { readonly kind: "failed"; readonly reason: string };
export type Answer = AnswerBody & { readonly id: number; readonly storeId: string; readonly revision: number };

const version = { key: text, revision };
const answered = { id, storeId: text, revision };
export const answerSchema = v.variant("kind", [
  v.object({ ...answered, kind: v.literal("entries"), entries: v.array(v.object({ ...version, value: text })), more: v.boolean() }),
  v.object({ ...answered, kind: v.literal("changes"), changes: v.array(v.object({ ...version, value: v.nullable(text) })), more: v.boolean() }),
  v.object({ ...answered, kind: v.picklist(["success", "refused", "done"]) }),
  v.object({ ...answered, kind: v.literal("lease"), lease: text }),
  v.object({ ...answered, kind: v.literal("alive"), alive: v.boolean() }),
  v.object({ ...answered, kind: v.literal("failed"), reason: text }),
]);

/** One frame with `body` in it. */
export function encodeFrame(body: object): Buffer {
  const json = Buffer.from(JSON.stringify(body));
  assert(json.length <= FRAME_BYTES_MAX, `a frame of the embedded store is at most ${FRAME_BYTES_MAX} bytes, not ${json.length}`);
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + json.length);
  frame.writeUInt32LE(json.length, 0);
  json.copy(frame, LENGTH_BYTES);
  return frame;
}

/** Cuts a list into pieces that each fit a frame; at least one piece, which may be empty. */
export function parts<T extends Versioned | Change>(list: readonly T[]): T[][] {
  const pieces: T[][] = [[]];
  let bytes = 0;
  for (const item of list) {
    const size = item.key.length + (item.value === null ? 0 : Buffer.byteLength(item.value));
    const last = pieces[pieces.length - 1]!;
    if (last.length > 0 && bytes + size > PART_BYTES) {
      pieces.push([item]);
      bytes = size;
    } else {
      last.push(item);
      bytes += size;
    }
  }
  return pieces;
}

/** Turns a stream of bytes into the objects of its frames. Throws an Error that says what is wrong with them. */
export class FrameReader {
  #held: Buffer[] = [];
  #heldBytes = 0;
  #wantedBytes = LENGTH_BYTES;

  /** Takes `chunk` and gives every object that is now complete. */
  push(chunk: Buffer): unknown[] {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes < this.#wantedBytes) return [];
    let bytes = this.#held.length === 1 ? chunk : Buffer.concat(this.#held);
    const found: unknown[] = [];
    this.#wantedBytes = LENGTH_BYTES;
    while (bytes.length >= LENGTH_BYTES) {
      const length = bytes.readUInt32LE(0);
      if (length === 0 || length > FRAME_BYTES_MAX) throw new Error(`a frame claims ${length} bytes`);
      if (bytes.length < LENGTH_BYTES + length) {
        this.#wantedBytes = LENGTH_BYTES + length;
        break;
      }
      found.push(JSON.parse(bytes.toString("utf8", LENGTH_BYTES, LENGTH_BYTES + length)));
      bytes = bytes.subarray(LENGTH_BYTES + length);
    }
    this.#held = [bytes];
    this.#heldBytes = bytes.length;
    return found;
  }
}
