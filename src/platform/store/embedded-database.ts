import { Database } from "bun:sqlite";
import { chmodSync, closeSync, openSync } from "node:fs";
import { assert } from "../../base/assert.ts";
import type { Change, Versioned } from "../store.ts";
import type { RequestOf } from "./embedded-protocol.ts";
import { prefixEnd } from "./limits.ts";

/** Raised when a newer VirtuStor lays the tables out differently. */
const FORMAT_VERSION = 1;

const TABLES = `
CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), storeId TEXT NOT NULL, revision INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS lease (id TEXT PRIMARY KEY, ttlMs INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL, lease TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entryByLease ON entry (lease) WHERE lease IS NOT NULL;
`;

/**
 * The embedded store's tables. All calls are synchronous; changes happen between `begin` and `commit`, which returns when
 * they are durable (WAL with synchronous=FULL: one fsync a commit). The database is locked for this process.
 */
export class StoreDatabase {
  storeId: string;
  /** Of the newest change, committed or not. */
  revision: number;
  #committedRevision: number;
  readonly #database: Database;
  readonly #statements: ReturnType<typeof prepare>;

  /** Opens or creates it. `newStoreId` is used when it is created. Throws when another process has it or it is damaged. */
  constructor(path: string, newStoreId: string) {
    ownFile(path);
    this.#database = new Database(path, { create: true, strict: true });
    this.#database.run("PRAGMA locking_mode=EXCLUSIVE");
    this.#database.run("PRAGMA journal_mode=WAL");
    this.#database.run("PRAGMA synchronous=FULL");
    const found = this.#database.query<{ user_version: number }, []>("PRAGMA user_version").get()!.user_version;
    if (found > FORMAT_VERSION) throw new Error(`the cluster store in ${path} has format ${found}; this version knows ${FORMAT_VERSION}`);
    this.#database.transaction(() => {
      this.#database.run(TABLES);
      // Revision 1 is the empty store's, as in etcd, so that no key ever has revision 0.
      this.#database.query("INSERT OR IGNORE INTO state VALUES (1, ?, 1)").run(newStoreId);
      this.#database.run(`PRAGMA user_version=${FORMAT_VERSION}`);
    })();
    this.#statements = prepare(this.#database);
    const state = this.#statements.state.get()!;
    this.storeId = state.storeId;
    this.revision = state.revision;
    this.#committedRevision = state.revision;
  }

  /** R14: an older database was put back: from now on this is another store, so that everybody notices. Durable. */
  becomeAnother(storeId: string): void {
    this.#database.query("UPDATE state SET storeId = ?").run(storeId);
    this.storeId = storeId;
  }

  begin(): void {
    this.#database.run("BEGIN IMMEDIATE");
  }

  /** Returns when everything since `begin` is durable. */
  commit(): void {
    if (this.revision !== this.#committedRevision) this.#statements.setRevision.run(this.revision);
    this.#database.run("COMMIT");
    this.#committedRevision = this.revision;
  }

  rollback(): void {
    if (this.#database.inTransaction) this.#database.run("ROLLBACK");
    this.revision = this.#committedRevision;
  }

  get(key: string): Versioned | null {
    return this.#statements.get.get(key);
  }

  /** Sorted by key. */
  range(prefix: string): Versioned[] {
    return this.#statements.range.all(prefix, prefixEnd(prefix));
  }

  /** The changes made, or null when it is refused and changed nothing. */
  transact(transaction: RequestOf<"transact">): Change[] | null {
    const { compares, puts, deletes } = transaction;
    for (const { key, revision } of compares) {
      if ((this.#statements.get.get(key)?.revision ?? 0) !== revision) return null;
    }
    for (const { lease } of puts) if (lease !== null && this.#statements.lease.get(lease) === null) return null;
    const changes: Change[] = [];
    const next = this.revision + 1;
    for (const { key, value, lease } of puts) {
      this.#statements.put.run(key, value, next, lease);
      changes.push({ key, value, revision: next });
    }
    for (const key of deletes) {
      if (this.#statements.delete.run(key).changes > 0) changes.push({ key, value: null, revision: next });
    }
    if (changes.length > 0) this.revision = next;
    return changes;
  }

  addLease(id: string, ttlMs: number): void {
    this.#statements.addLease.run(id, Math.ceil(ttlMs));
  }

  leases(): { id: string; ttlMs: number }[] {
    return this.#statements.leases.all();
  }

  /** Removes the lease and all keys under it, at one revision. */
  removeLease(id: string): Change[] {
    const keys = this.#statements.leasedKeys.all(id);
    this.#statements.removeLease.run(id);
    if (keys.length === 0) return [];
    this.revision++;
    return keys.map(({ key }) => {
      const removed = this.#statements.delete.run(key).changes;
      assert(removed === 1, `a leased key was there: ${key}`);
      return { key, value: null, revision: this.revision };
    });
  }

  close(): void {
    this.#database.close();
  }
}

function prepare(database: Database) {
  return {
    state: database.query<{ storeId: string; revision: number }, []>("SELECT storeId, revision FROM state"),
    setRevision: database.query<null, [number]>("UPDATE state SET revision = ?"),
    get: database.query<Versioned, [string]>("SELECT key, value, revision FROM entry WHERE key = ?"),
    range: database.query<Versioned, [string, string]>("SELECT key, value, revision FROM entry WHERE key >= ? AND key < ? ORDER BY key"),
    put: database.query<null, [string, string, number, string | null]>("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)"),
    delete: database.query<null, [string]>("DELETE FROM entry WHERE key = ?"),
    lease: database.query<{ id: string }, [string]>("SELECT id FROM lease WHERE id = ?"),
    leases: database.query<{ id: string; ttlMs: number }, []>("SELECT id, ttlMs FROM lease ORDER BY id"),
    addLease: database.query<null, [string, number]>("INSERT INTO lease VALUES (?, ?)"),
    removeLease: database.query<null, [string]>("DELETE FROM lease WHERE id = ?"),
    leasedKeys: database.query<{ key: string }, [string]>("SELECT key FROM entry WHERE lease = ? ORDER BY key"),
  };
}

/** Hosts' CHAP secrets lie in it. SQLite gives its journal the mode of the database, which it would make readable to all. */
function ownFile(path: string): void {
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
}
