import { assert } from "../../base/assert.ts";
import type { Transaction } from "../store.ts";

/** Keys are printable ASCII, so that all stores sort them alike (bytes, UTF-8 and UTF-16 order agree). */
const KEY = /^[!-~]+$/;
export const KEY_BYTES_MAX = 512;
/** etcd refuses more operations in one transaction (its --max-txn-ops), so no store accepts more. Compares count apart. */
export const OPERATIONS_MAX = 128;
/** Keys and values of one transaction: twice this fits the embedded store's frame, once in base64 fits an etcd request. */
export const TRANSACTION_BYTES_MAX = 448 * 1024;
/** How long a request may take before reads reject and transactions are `unknown`: longer than an etcd election. */
export const REQUEST_DEADLINE_MS = 3_000;
/** A shorter lease would be lost by one slow fsync; etcd itself grants no less than about two seconds. */
export const LEASE_TTL_MIN_MS = 1_000;

/** Asserts what every store demands: a transaction that breaks it is a bug of the caller and would fail for ever. */
export function checkTransaction(transaction: Transaction): void {
  const puts = transaction.puts ?? [];
  const deletes = transaction.deletes ?? [];
  assert(puts.length + deletes.length <= OPERATIONS_MAX, `a transaction has at most ${OPERATIONS_MAX} puts and deletes`);
  assert(transaction.compares.length <= OPERATIONS_MAX, `a transaction has at most ${OPERATIONS_MAX} compares`);
  const written = new Set<string>();
  let bytes = 0;
  for (const { key, value } of puts) {
    checkKey(key);
    assert(!written.has(key), `a transaction writes a key once: ${key}`);
    written.add(key);
    bytes += key.length + Buffer.byteLength(value);
  }
  for (const key of deletes) {
    checkKey(key);
    assert(!written.has(key), `a transaction writes a key once: ${key}`);
    written.add(key);
    bytes += key.length;
  }
  for (const { key, revision } of transaction.compares) {
    checkKey(key);
    assert(Number.isSafeInteger(revision) && revision >= 0, `a compared revision is a whole number: ${key}`);
  }
  assert(bytes <= TRANSACTION_BYTES_MAX, `a transaction has at most ${TRANSACTION_BYTES_MAX} bytes, not ${bytes}`);
}

export function checkKey(key: string): void {
  assert(key.length <= KEY_BYTES_MAX && KEY.test(key), `a store key is 1 to ${KEY_BYTES_MAX} printable ASCII characters: ${key}`);
}

export function checkPrefix(prefix: string): void {
  assert(prefix === "" || KEY.test(prefix), `a key prefix is printable ASCII: ${prefix}`);
}

export function checkLeaseTtl(ttlMs: number): void {
  assert(Number.isFinite(ttlMs) && ttlMs >= LEASE_TTL_MIN_MS, `a lease lasts at least ${LEASE_TTL_MIN_MS} ms, not ${ttlMs}`);
}

/** The first key after all that begin with `prefix`. "\x7f" sorts after every printable key. */
export function prefixEnd(prefix: string): string {
  return `${prefix}\x7f`;
}
