import { expect, test } from "bun:test";
import { BufferPool } from "../../src/iscsi/buffer-pool.ts";
import { Framer } from "../../src/iscsi/framer.ts";
import { Outbox } from "../../src/iscsi/outbox.ts";
import type { Socket } from "../../src/platform/platform.ts";

/** A socket that keeps what is written, as it was at the end. */
function keep(): { socket: Socket; writes: Uint8Array[] } {
  const writes: Uint8Array[] = [];
  const socket: Socket = {
    remote: "",
    local: "",
    queuedBytes: 0,
    write: (data) => (writes.push(data), true),
    pause: () => {},
    resume: () => {},
    end: () => {},
    destroy: () => {},
  };
  return { socket, writes };
}

for (const digests of [false, true]) {
  test(`what the outbox sends ${digests ? "with" : "without"} digests is what the framer reads`, () => {
    const { socket, writes } = keep();
    const outbox = new Outbox(socket);
    outbox.headerDigest = outbox.dataDigest = digests;
    const sizes = [0, 1, 3, 4096, 65536, 65537, 262144, 0, 2];
    sizes.forEach((size, i) => {
      const at = outbox.open(0x25, i, size);
      outbox.buffer.writeUInt32BE(i * 1000, at + 16);
      outbox.close(size === 0 ? null : Buffer.alloc(size, i + 1));
    });
    outbox.flush();
    const seen: unknown[] = [];
    const framer = new Framer(
      { place: () => null, pdu: (header, data) => void seen.push([header[1], header.readUInt32BE(16), data.length, data.every((byte) => byte === header[1]! + 1)]) },
      1048576,
    );
    framer.headerDigest = framer.dataDigest = digests;
    for (const bytes of writes) framer.receive(Buffer.from(bytes), () => false);
    expect(seen).toEqual(sizes.map((size, i) => [i, i * 1000, size, true]));
  });
}

test("all small replies of a turn go out in one write", () => {
  const { socket, writes } = keep();
  const outbox = new Outbox(socket);
  outbox.open(0x21, 0x80, 0);
  outbox.close(null);
  outbox.flush();
  for (let i = 0; i < 50; i++) {
    outbox.open(0x25, 0x81, 512);
    outbox.close(Buffer.alloc(512));
  }
  outbox.flush();
  outbox.flush();
  // The first PDU finds a small first block; all that follow share one.
  expect(writes.length).toBeLessThanOrEqual(3);
});

test("a pool hands a large buffer out again, and never to two at a time", () => {
  const pool = new BufferPool();
  const one = pool.take(1_000_000);
  const two = pool.take(1_048_576);
  expect(one.length).toBe(1_000_000);
  expect(one.buffer).not.toBe(two.buffer);
  pool.give(one);
  const three = pool.take(900_000);
  expect(three.buffer).toBe(one.buffer);
  expect(pool.take(900_000).buffer).not.toBe(one.buffer);
  const small = pool.take(512);
  pool.give(small);
  expect(small.length).toBe(512);
});
