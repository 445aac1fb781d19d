import { describe, expect, test } from "bun:test";
import { HttpResponseReader } from "../../../src/platform/store/http-response.ts";

function read(text: string, pieceBytes: number): { status: number; body: string; end: boolean | null } {
  const seen: { status: number; body: string; end: boolean | null } = { status: 0, body: "", end: null };
  const reader = new HttpResponseReader({
    head: (status) => void (seen.status = status),
    body: (bytes) => void (seen.body += bytes.toString()),
    end: (reusable) => void (seen.end = reusable),
  });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes));
  return seen;
}

describe("an HTTP response", () => {
  const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\nC\r\n, \r\nworld!!\n\r\n0\r\nTrailer: 1\r\n\r\n";
  const measured = "HTTP/1.1 503 Busy\r\nContent-Length:  4\r\nConnection: close\r\n\r\nbody";

  test("is the same however its bytes arrive", () => {
    for (const pieceBytes of [1, 2, 3, 7, 1000]) {
      expect(read(chunked, pieceBytes)).toEqual({ status: 200, body: "hello, \r\nworld!!\n", end: true });
      expect(read(measured, pieceBytes)).toEqual({ status: 503, body: "body", end: false });
      expect(read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", pieceBytes)).toEqual({ status: 200, body: "", end: true });
    }
  });

  test("is not complete before its last byte", () => {
    expect(read(chunked.slice(0, -1), 1000).end).toBeNull();
    expect(read(measured.slice(0, -1), 1000).end).toBeNull();
  });

  test("is refused when it breaks the grammar", () => {
    const wrong = [
      "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
      "x".repeat(17_000),
    ];
    for (const text of wrong) expect(() => read(text, 1000)).toThrow();
  });
});
