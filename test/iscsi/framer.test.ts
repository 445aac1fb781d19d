import { expect, test } from "bun:test";
import { crc32c } from "../../src/base/crc32c.ts";
import { Framer } from "../../src/iscsi/framer.ts";
import { ProtocolError } from "../../src/iscsi/pdu.ts";

/** A PDU with `additional` bytes of further headers and `data`, with digests. */
function pdu(opcode: number, additional: number, data: Buffer, digests: boolean): Buffer {
  const header = Buffer.alloc(48 + additional, opcode);
  header[4] = additional / 4;
  header.writeUIntBE(data.length, 5, 3);
  const padded = Buffer.concat([data, Buffer.alloc((4 - (data.length & 3)) & 3)]);
  const sum = (bytes: Buffer): Buffer => {
    const digest = Buffer.alloc(4);
    digest.writeUInt32LE(crc32c(bytes));
    return digest;
  };
  if (!digests) return Buffer.concat([header, padded]);
  return Buffer.concat([header, sum(header), padded, ...(data.length > 0 ? [sum(padded)] : [])]);
}

const stream = (digests: boolean): Buffer =>
  Buffer.concat([
    pdu(1, 0, Buffer.alloc(0), digests),
    pdu(2, 8, Buffer.from("odd"), digests),
    pdu(3, 0, Buffer.alloc(600, 9), digests),
    pdu(5, 0, Buffer.from("placed data"), digests),
    pdu(4, 12, Buffer.alloc(0), digests),
  ]);

for (const digests of [false, true]) {
  test(`PDUs are the same wherever the network cuts the stream, ${digests ? "with" : "without"} digests`, () => {
    for (let cut = 1; cut <= 97; cut++) {
      const seen: string[] = [];
      const placed = Buffer.alloc(11);
      const framer = new Framer(
        {
          place: (header) => (header[0] === 5 ? placed : null),
          pdu: (header, data) => void seen.push(`${header[0]}:${data.length}:${data.toString("latin1", 0, 3)}`),
        },
        1024,
      );
      framer.additionalHeaders = true;
      framer.headerDigest = framer.dataDigest = digests;
      const bytes = stream(digests);
      for (let at = 0; at < bytes.length; at += cut) framer.receive(Buffer.from(bytes.subarray(at, at + cut)), () => false);
      expect(seen).toEqual(["1:0:", "2:3:odd", "3:600:\t\t\t", "5:11:pla", "4:0:"]);
      expect(placed.toString()).toBe("placed data");
    }
  });
}

test("a flipped bit fails a digest", () => {
  const bytes = stream(true);
  for (const at of [20, 110, 200, 400]) {
    const framer = new Framer({ place: () => null, pdu: () => {} }, 1024);
    framer.additionalHeaders = true;
    framer.headerDigest = framer.dataDigest = true;
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 0x10;
    expect(() => framer.receive(flipped, () => false)).toThrow(ProtocolError);
  }
});
