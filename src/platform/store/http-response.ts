/** Status line and headers together; etcd sends a few hundred bytes. */
const HEAD_BYTES_MAX = 16 * 1024;
/** A chunk's length line, without extensions. */
const CHUNK_LINE_BYTES_MAX = 64;
const CRLF = Buffer.from("\r\n");
const BLANK_LINE = Buffer.from("\r\n\r\n");

export interface HttpResponseEvents {
  head(status: number): void;
  /** A piece of the body, its chunk framing removed. */
  body(bytes: Buffer): void;
  /** The response is complete; `reusable` when the connection can carry another request. */
  end(reusable: boolean): void;
}

/** Reads one HTTP/1.1 response (RFC 9112 4, 6.1 and 7.1) from a stream of bytes. Throws an Error when it is none. */
export class HttpResponseReader {
  readonly #events: HttpResponseEvents;
  #state: "head" | "body" | "chunk-length" | "chunk" | "chunk-end" | "trailer" | "ended" = "head";
  #held: Buffer = Buffer.alloc(0);
  #leftBytes = 0;
  #reusable = true;

  constructor(events: HttpResponseEvents) {
    this.#events = events;
  }

  push(chunk: Buffer): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    while (this.#step());
  }

  /** True when it took something and may take more. */
  #step(): boolean {
    switch (this.#state) {
      case "head": {
        const head = this.#until(BLANK_LINE, HEAD_BYTES_MAX);
        if (head !== null) this.#head(head);
        return head !== null;
      }
      case "body":
      case "chunk": {
        if (this.#held.length === 0) return false;
        const piece = this.#held.subarray(0, this.#leftBytes);
        this.#held = this.#held.subarray(piece.length);
        this.#leftBytes -= piece.length;
        this.#events.body(piece);
        if (this.#leftBytes > 0) return false;
        if (this.#state === "chunk") this.#state = "chunk-end";
        else this.#end();
        return true;
      }
      case "chunk-end": {
        const line = this.#until(CRLF, CHUNK_LINE_BYTES_MAX);
        if (line === null) return false;
        if (line !== "") throw new Error("a chunk is longer than it said");
        this.#state = "chunk-length";
        return true;
      }
      case "chunk-length": {
        const line = this.#until(CRLF, CHUNK_LINE_BYTES_MAX);
        if (line === null) return false;
        if (!/^[0-9a-fA-F]{1,8}$/.test(line)) throw new Error(`a chunk's length is ${JSON.stringify(line)}`);
        this.#leftBytes = Number.parseInt(line, 16);
        this.#state = this.#leftBytes === 0 ? "trailer" : "chunk";
        return true;
      }
      case "trailer": {
        const line = this.#until(CRLF, HEAD_BYTES_MAX);
        if (line === "") this.#end();
        return line !== null;
      }
      case "ended":
        if (this.#held.length > 0) throw new Error("bytes follow the end of the response");
        return false;
    }
  }

  #head(head: string): void {
    const [statusLine = "", ...fields] = head.split("\r\n");
    const status = /^HTTP\/1\.1 ([2-5]\d\d)(?: |$)/.exec(statusLine)?.[1];
    if (status === undefined) throw new Error(`not an HTTP response: ${JSON.stringify(statusLine.slice(0, 80))}`);
    let length: number | null = null;
    let chunked = false;
    for (const field of fields) {
      const colon = field.indexOf(":");
      const name = field.slice(0, colon).toLowerCase();
      const value = field.slice(colon + 1).trim();
      if (name === "content-length" && /^\d{1,12}$/.test(value)) length = Number(value);
      if (name === "transfer-encoding" && value.toLowerCase() === "chunked") chunked = true;
      if (name === "connection" && value.toLowerCase() === "close") this.#reusable = false;
    }
    this.#events.head(Number(status));
    if (chunked) {
      this.#state = "chunk-length";
    } else if (length !== null) {
      this.#leftBytes = length;
      this.#state = "body";
      if (length === 0) this.#end();
    } else {
      throw new Error("a response without a length");
    }
  }

  #end(): void {
    this.#state = "ended";
    this.#events.end(this.#reusable && this.#held.length === 0);
  }

  /** The text before `mark`, taking both; null while it is not there yet. */
  #until(mark: Buffer, bytesMax: number): string | null {
    const at = this.#held.indexOf(mark);
    if (at > bytesMax || (at < 0 && this.#held.length > bytesMax)) throw new Error("a line of the response is too long");
    if (at < 0) return null;
    const found = this.#held.toString("latin1", 0, at);
    this.#held = this.#held.subarray(at + mark.length);
    return found;
  }
}
