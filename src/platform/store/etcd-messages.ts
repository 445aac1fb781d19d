import * as v from "valibot";
import type { Change, Origin, Transaction, Versioned } from "../store.ts";
import { prefixEnd } from "./limits.ts";

/*
 * etcd's gRPC messages as its JSON gateway writes them (etcd API v3, rpc.proto): bytes in base64, 64-bit integers as
 * decimal strings, zero and empty fields left out.
 */

/** All keys of VirtuStor in etcd begin with it, so that an administrator can tell them from others. */
const NAMESPACE = "/virtustor/";

const whole = v.optional(v.pipe(v.string(), v.regex(/^\d{1,20}$/)), "0");
const header = v.object({ cluster_id: whole, revision: whole });
const keyValue = v.object({ key: v.string(), value: v.optional(v.string(), ""), mod_revision: whole });

export const rangeAnswer = v.object({ header, kvs: v.optional(v.array(keyValue), []), more: v.optional(v.boolean(), false) });
export const transactAnswer = v.object({ header, succeeded: v.optional(v.boolean(), false) });
export const grantAnswer = v.object({ ID: v.string() });
export const keepAliveAnswer = v.object({ result: v.object({ TTL: whole }) });
export const anyAnswer = v.object({ header });
export const errorAnswer = v.object({ message: v.string(), code: v.number() });
export const watchMessage = v.object({
  result: v.object({
    header,
    created: v.optional(v.boolean(), false),
    canceled: v.optional(v.boolean(), false),
    cancel_reason: v.optional(v.string(), ""),
    compact_revision: whole,
    events: v.optional(v.array(v.object({ type: v.optional(v.string(), "PUT"), kv: keyValue })), []),
  }),
});

/** gRPC's code for "not found"; from these requests it can only mean the lease. */
export const NOT_FOUND = 5;

export function origin({ cluster_id, revision }: v.InferOutput<typeof header>): Origin {
  return { storeId: BigInt(cluster_id).toString(16).padStart(16, "0"), revision: Number(revision) };
}

export function versioned(found: v.InferOutput<typeof keyValue>): Versioned {
  const key = Buffer.from(found.key, "base64").toString("latin1").slice(NAMESPACE.length);
  return { key, value: Buffer.from(found.value, "base64").toString("utf8"), revision: Number(found.mod_revision) };
}

export function change({ type, kv }: v.InferOutput<typeof watchMessage>["result"]["events"][number]): Change {
  const { key, value, revision } = versioned(kv);
  return { key, value: type === "DELETE" ? null : value, revision };
}

export function getRequest(key: string): object {
  return { key: encodeKey(key) };
}

/** Keys from `from` (the prefix itself, or just after the last page) to the prefix's end; at `revision`, 0 for now. */
export function rangeRequest(prefix: string, from: string, limit: number, revision: number): object {
  return { key: encodeKey(from), range_end: encodeKey(prefixEnd(prefix)), limit: String(limit), revision: String(revision) };
}

export function watchRequest(prefix: string, startRevision: number): object {
  return { create_request: { key: encodeKey(prefix), range_end: encodeKey(prefixEnd(prefix)), start_revision: String(startRevision) } };
}

/** A key that does not exist compares as modified at revision 0, which is what the interface wants. */
export function transactRequest({ compares, puts = [], deletes = [] }: Transaction): object {
  return {
    compare: compares.map(({ key, revision }) => ({ key: encodeKey(key), target: "MOD", result: "EQUAL", mod_revision: String(revision) })),
    success: [
      ...puts.map(({ key, value, lease }) => ({
        request_put: { key: encodeKey(key), value: Buffer.from(value).toString("base64"), ...(lease === undefined ? {} : { lease: lease.id }) },
      })),
      ...deletes.map((key) => ({ request_delete_range: { key: encodeKey(key) } })),
    ],
  };
}

function encodeKey(key: string): string {
  return Buffer.from(NAMESPACE + key, "latin1").toString("base64");
}
