import { afterEach, describe, expect, test } from "bun:test";
import { StoreUnavailable } from "../../../src/platform/store.ts";
import type { ClusterStore } from "../../../src/platform/store.ts";
import { etcdStore } from "../../../src/platform/store/etcd.ts";
import { put, reads, until } from "../../contracts/store-steps.ts";
import { platform } from "./etcd-cluster.ts";

const EMPTY_RANGE = answer('{"header":{"cluster_id":"18446744073709551615","revision":"7"}}');

describe("a client of etcd and a server that misbehaves", () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  /** A server that answers each request with what `respond` gives: bytes, or null to close the connection. */
  function serve(respond: (request: string) => string | null, deadlineMs = 10_000): { client: ClusterStore; requests: string[] } {
    const requests: string[] = [];
    const listener = Bun.listen<{ text: string }>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => void (socket.data = { text: "" }),
        data: (socket, chunk) => {
          socket.data.text += chunk.toString();
          if (!/\r\n\r\n.*\}$/s.test(socket.data.text)) return;
          const request = socket.data.text;
          socket.data.text = "";
          requests.push(request.split(" ")[1]!);
          const bytes = respond(request);
          if (bytes === null) socket.end();
          else socket.write(bytes);
        },
      },
    });
    const client = etcdStore({ platform, endpoints: [{ address: "127.0.0.1", port: listener.port }], deadlineMs });
    cleanups.push(
      () => client.close(),
      () => listener.stop(true),
    );
    return { client, requests };
  }

  test("a write whose kept connection closes is sent once and unknown, never sent again", async () => {
    const { client, requests } = serve((request) => (request.includes("/kv/txn") ? null : EMPTY_RANGE));
    const read = await client.get("a");
    expect(read).toEqual({ storeId: "ffffffffffffffff", revision: 7, found: null });
    expect((await put(client, "a", "1", 0)).outcome).toBe("unknown");
    await client.get("a");
    expect(requests.filter((path) => path === "/v3/kv/txn")).toHaveLength(1);
  });

  test("a read whose connection closes is asked again", async () => {
    let count = 0;
    const { client, requests } = serve(() => (++count === 1 ? null : EMPTY_RANGE));
    expect((await client.get("a")).found).toBeNull();
    expect(requests).toHaveLength(2);
  });

  test("an error of etcd is unknown to a transaction, whatever it says", async () => {
    for (const message of ["etcdserver: request timed out", "etcdserver: leader changed", "etcdserver: no leader", "mvcc: database space exceeded"]) {
      const { client } = serve(() => answer(JSON.stringify({ error: message, message, code: 14 }), 503), 500);
      expect(await put(client, "a", "1", 0)).toEqual({ outcome: "unknown", reason: message });
      expect(await client.get("a").catch((error: unknown) => error)).toBeInstanceOf(StoreUnavailable);
    }
  });

  test("an answer that is none leaves a transaction unknown and a read rejected", async () => {
    const wrong = [
      "SSH-2.0-OpenSSH_9.2\r\n\r\n",
      answer("not json"),
      answer("[]"),
      answer('{"succeeded":true}'),
      "HTTP/1.1 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      `HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}`,
      answer("{}") + answer("{}"),
    ];
    for (const bytes of wrong) {
      const { client } = serve(() => bytes, 500);
      expect((await put(client, "a", "1", 0)).outcome).toBe("unknown");
      expect(await reads(client)).toBe(false);
    }
  }, 20_000);

  test("a late answer is never taken for that of another request", async () => {
    let held: string | null = "first";
    const { client, requests } = serve((request) => {
      if (!request.includes("/kv/txn")) return EMPTY_RANGE;
      if (held === null) return answer('{"header":{"cluster_id":"1","revision":"9"}}');
      held = null;
      return "HTTP/1.1 200 OK\r\n";
    }, 1_000);
    expect((await put(client, "a", "1", 0)).outcome).toBe("unknown");
    expect(await put(client, "a", "1", 0)).toEqual({ outcome: "refused" });
    expect(requests).toHaveLength(2);
  });

  test("a watch whose start was compacted, or whose stream breaks, begins again with a snapshot", async () => {
    const streams = [
      '{"result":{"header":{},"created":true}}\n{"result":{"header":{},"canceled":true,"compact_revision":"12"}}\n',
      "garbage\n",
      '{"error":{"grpc_code":14,"message":"closing"}}\n',
      '{"result":{"header":{"revision":"8"},"events":[{"type":"DELETE","kv":{"key":"L3ZpcnR1c3Rvci9h","mod_revision":"8"}}]}}\n',
    ];
    const { client } = serve((request) => {
      if (!request.includes("/v3/watch")) return EMPTY_RANGE;
      expect(request).toContain('"start_revision":"8"');
      const text = streams.shift()!;
      return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n`;
    });
    let snapshots = 0;
    const changes: unknown[] = [];
    client.watch("a", { snapshot: () => snapshots++, changed: (told) => void changes.push(...told) });
    await until(() => changes.length > 0);
    expect(snapshots).toBe(4);
    expect(changes).toEqual([{ key: "a", value: null, revision: 8 }]);
  });
});

function answer(body: string, status = 200): string {
  return `HTTP/1.1 ${status} X\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}
