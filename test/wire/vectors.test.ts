import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { FormatError } from "../../src/base/bytes.ts";
import { DATA_BYTES_MAX, decodeMessage, encodeHead, HEAD_BYTES_MAX, MESSAGE_TYPES, messageData } from "../../src/wire/codec.ts";
import { encodeFrame, FRAME_HEADER_BYTES, FrameParser } from "../../src/wire/frame.ts";
import { decodeHello, encodeHello, HELLO_TYPES } from "../../src/wire/hello.ts";
import type { Message } from "../../src/wire/messages.ts";
import { seeded } from "../volume/fake-platform.ts";
import { EXAMPLES, HELLO } from "./examples.ts";

/** Hexadecimal: header and fields of each frame; the data behind them is as in the example. */
const vectors = JSON.parse(readFileSync(new URL("../vectors/storage-protocol.json", import.meta.url), "utf8")) as Record<string, string>;
const INSTANCE = 42;
const LIMITS = { headBytesMax: HEAD_BYTES_MAX, dataBytesMax: DATA_BYTES_MAX };

function frameOf(message: Message): Buffer {
  const fields = { group: message.group, tag: message.tag, epoch: message.epoch, instance: INSTANCE };
  return encodeFrame(MESSAGE_TYPES[message.type], fields, encodeHead(message), messageData(message).length);
}
function parse(bytes: Buffer, chunkBytes = bytes.length): Message[] {
  const messages: Message[] = [];
  const parser = new FrameParser(() => LIMITS, (header, head, data) => messages.push(decodeMessage(header.type, { group: header.group, epoch: header.epoch, tag: header.tag }, head, data)));
  for (let at = 0; at < bytes.length; at += chunkBytes) parser.push(bytes.subarray(at, at + chunkBytes));
  return messages;
}

test("every type of message has a vector, and every number stands for one type", () => {
  expect(Object.keys(vectors).sort()).toEqual([...Object.keys(EXAMPLES), "hello"].sort());
  expect(new Set(Object.values(MESSAGE_TYPES)).size).toBe(28);
});

for (const message of Object.values(EXAMPLES)) {
  describe(`a ${message.type} message`, () => {
    test("is these bytes, and these bytes are it", () => {
      expect(frameOf(message).toString("hex")).toBe(vectors[message.type] as string);
      const bytes = Buffer.concat([Buffer.from(vectors[message.type] as string, "hex"), messageData(message)]);
      expect(parse(bytes)).toEqual([message]);
    });

    test("is the same however the bytes are cut into chunks", () => {
      const bytes = Buffer.concat([frameOf(message), messageData(message), frameOf(message), messageData(message)]);
      for (const chunkBytes of [1, 7, 48, 1000]) expect(parse(bytes, chunkBytes)).toEqual([message, message]);
    });

    test("is refused when any byte of its header or fields is changed", () => {
      const bytes = Buffer.concat([frameOf(message), messageData(message)]);
      const end = bytes.length - messageData(message).length;
      for (let at = 0; at < end; at += 1) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ 0x10;
        expect(() => parse(changed)).toThrow(FormatError);
      }
    });

    test("is refused when its fields are cut short, however good the frame's hashes", () => {
      const head = encodeHead(message);
      for (let length = 0; length < head.length; length += 1) {
        expect(() => decodeMessage(MESSAGE_TYPES[message.type], message, Buffer.from(head.subarray(0, length)), messageData(message))).toThrow(FormatError);
      }
      expect(() => decodeMessage(MESSAGE_TYPES[message.type], message, Buffer.concat([head, Buffer.alloc(1)]), messageData(message))).toThrow(FormatError);
    });

    test("never throws anything but a FormatError for fields of random bytes", () => {
      const random = seeded(message.type.length);
      const head = encodeHead(message);
      for (let i = 0; i < 300; i += 1) {
        const changed = Buffer.from(head);
        for (let n = 0; n <= i % 4 && changed.length > 0; n += 1) changed[Math.floor(random() * changed.length)] = Math.floor(random() * 256);
        try {
          decodeMessage(MESSAGE_TYPES[message.type], message, changed, messageData(message));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
    });
  });
}

describe("frames", () => {
  test("lie as their table says", () => {
    const frame = frameOf(EXAMPLES.settled);
    expect(frame.length).toBe(FRAME_HEADER_BYTES);
    expect(frame.subarray(0, 4).toString("ascii")).toBe("VSF1");
    expect([frame[4], frame.readUInt32LE(8), frame.readUInt32LE(12), frame.readUInt32LE(16), frame.readUInt32LE(20)]).toEqual([14, 0, 0, 0x100011, 0x01020304]);
    expect([frame.readBigUInt64LE(24), frame.readBigUInt64LE(32)]).toEqual([7n, 42n]);
  });

  test("over a bound are refused at the header, before anything is held for them", () => {
    const frame = encodeFrame(40, { group: 0, tag: 0, epoch: 0, instance: 1 }, Buffer.alloc(0), DATA_BYTES_MAX + 1);
    expect(() => parse(frame)).toThrow("a frame over its bound");
  });

  test("of an unknown type, or with data behind a message that has none, are refused", () => {
    expect(() => parse(encodeFrame(99, { group: 0, tag: 0, epoch: 0, instance: 1 }, Buffer.alloc(0), 0))).toThrow(FormatError);
    const frame = encodeFrame(MESSAGE_TYPES.settled, { group: 0, tag: 0, epoch: 0, instance: 1 }, Buffer.alloc(0), 3);
    expect(() => parse(Buffer.concat([frame, Buffer.from("abc")]))).toThrow(FormatError);
  });
});

describe("the hello", () => {
  test("is these bytes, and these bytes are it", () => {
    const frame = encodeFrame(HELLO_TYPES.hello, { group: 0, tag: 0, epoch: 0, instance: 4711 }, encodeHello(HELLO), 0);
    expect(frame.toString("hex")).toBe(vectors["hello"] as string);
    expect(decodeHello(Buffer.from(vectors["hello"] as string, "hex").subarray(FRAME_HEADER_BYTES))).toEqual(HELLO);
  });

  test("of another version says which end to update", () => {
    expect(() => decodeHello(encodeHello({ ...HELLO, version: 2 }))).toThrow("update the older one");
  });
});

describe("a copy of lost blocks", () => {
  const { checksums: _none, data: _empty, version: _without, ...copy } = EXAMPLES.copy;
  const lost: Message = { ...copy, lost: true, version: { epoch: 5 as never, seq: 7 }, checksums: Uint32Array.of(9, 0), data: Buffer.alloc(0) };

  test("has checksums and no content", () => {
    expect(parse(frameOf(lost))).toEqual([lost]);
    const bad: Message[] = [{ ...lost, data: Buffer.alloc(8192) }, { ...lost, version: null }, { ...lost, lost: false }];
    for (const message of bad) expect(() => decodeMessage(MESSAGE_TYPES.copy, message, encodeHead(message), messageData(message))).toThrow(FormatError);
  });
});
