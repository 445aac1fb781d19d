import { SQLiteError } from "bun:sqlite";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import type { Platform, Socket, SocketEvents } from "../platform.ts";
import type { Change } from "../store.ts";
import { LeaseTable } from "./embedded-leases.ts";
import { StoreDatabase } from "./embedded-database.ts";
import { RevisionMark } from "./embedded-mark.ts";
import { encodeFrame, FrameReader, helloSchema, parts, requestSchema } from "./embedded-protocol.ts";
import type { AnswerBody, Request } from "./embedded-protocol.ts";
import { checkKey, checkLeaseTtl, checkPrefix, checkTransaction } from "./limits.ts";

export interface EmbeddedStoreOptions {
  /** Where the database lies; created when it is not there. */
  readonly directory: string;
  readonly socketPath: string;
}

/** A trial has a few dozen processes with a connection each; more are a leak or an attack. */
const CONNECTIONS_MAX = 256;
/** Watches of one connection: a process has one for each kind of key it cares about. */
const WATCHES_MAX = 256;
/** Leases of all clients: each process has one or two. */
const LEASES_MAX = 4096;
/** Requests in one SQLite transaction, so that one batch stays well under a beacon's interval. */
const BATCH_MAX = 512;
/** Requests of one connection that wait; over it its socket is not read until a batch has run. */
const WAITING_MAX = 1024;
/** Bytes a client has not taken: more than any snapshot; over it the client is cut off and starts again with a snapshot. */
const UNSENT_BYTES_MAX = 64 * 1024 * 1024;

interface Connection {
  readonly name: string;
  readonly socket: Socket;
  readonly reader: FrameReader;
  readonly watches: Map<number, string>;
  greeted: boolean;
  open: boolean;
  paused: boolean;
  waiting: number;
  unsent: Buffer[];
}

interface Waiting {
  readonly connection: Connection;
  readonly request: Request;
}

/** Serves the cluster store of a cluster that is all on one machine. Rejects when its database cannot be opened. */
export async function runEmbeddedStore(platform: Platform, options: EmbeddedStoreOptions): Promise<{ close(): Promise<void> }> {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const path = join(options.directory, "store.sqlite");
  const database = openDatabase(path, platform);
  // The database file's own name must survive a power loss before anything in it is called durable (A2).
  await platform.files.syncDirectory(options.directory);
  const mark = new RevisionMark(join(options.directory, "store.mark"), platform.clock, (error) => platform.log.error("The mark beside the store's database cannot be written", { error: error.message }));
  if (mark.wentBack(database.revision)) {
    const before = database.storeId;
    database.becomeAnother(newStoreId(platform));
    platform.log.error("The store's database is older than the one that was here before, or came without its mark: it counts as restored from a backup", { path, before, storeId: database.storeId, revision: database.revision });
  }
  mark.begin(database.revision);
  const server = new EmbeddedServer(platform, database, mark);
  // Whoever holds the database's lock owns the socket's name, so one that is there is left from a process that has died.
  rmSync(options.socketPath, { force: true });
  const umask = process.umask(0o177);
  try {
    const listener = await platform.network.listen({ endpoint: { path: options.socketPath } }, (socket) => server.accept(socket));
    chmodSync(options.socketPath, 0o600);
    platform.log.info("The embedded cluster store is ready", { path, storeId: database.storeId, revision: database.revision });
    return {
      close: async () => {
        listener.close();
        server.close();
        rmSync(options.socketPath, { force: true });
      },
    };
  } catch (error) {
    server.close();
    throw error;
  } finally {
    process.umask(umask);
  }
}

function openDatabase(path: string, platform: Platform): StoreDatabase {
  try {
    return new StoreDatabase(path, newStoreId(platform));
  } catch (error) {
    throw new Error(`the cluster store's database ${path} cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

function newStoreId(platform: Platform): string {
  return Buffer.from(platform.random.bytes(8)).toString("hex");
}

class EmbeddedServer {
  readonly #platform: Platform;
  readonly #database: StoreDatabase;
  readonly #mark: RevisionMark;
  readonly #connections = new Set<Connection>();
  readonly #leases: LeaseTable;
  #queue: Waiting[] = [];
  /** What a batch will do once it is durable, in order: answers, registrations of watches, changes for watches. */
  #effects: (() => void)[] = [];
  #scheduled = false;
  #closed = false;

  constructor(platform: Platform, database: StoreDatabase, mark: RevisionMark) {
    this.#platform = platform;
    this.#mark = mark;
    this.#database = database;
    this.#leases = new LeaseTable(platform.clock, () => this.#schedule());
    this.#leases.load(database.leases());
  }

  accept(socket: Socket): SocketEvents {
    const connection: Connection = {
      name: socket.remote,
      socket,
      reader: new FrameReader(),
      watches: new Map(),
      greeted: false,
      open: true,
      paused: false,
      waiting: 0,
      unsent: [],
    };
    if (this.#connections.size >= CONNECTIONS_MAX || this.#closed) {
      this.#drop(connection, `more than ${CONNECTIONS_MAX} connections`);
    } else {
      this.#connections.add(connection);
    }
    return {
      data: (chunk) => this.#received(connection, chunk),
      drained: () => undefined,
      closed: () => this.#forget(connection),
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#leases.close();
    for (const connection of [...this.#connections]) {
      this.#forget(connection);
      connection.socket.end();
    }
    this.#database.close();
    this.#mark.close();
  }

  #received(connection: Connection, chunk: Buffer): void {
    if (!connection.open) return;
    try {
      for (const body of connection.reader.push(chunk)) {
        if (!connection.greeted) {
          v.parse(helloSchema, body);
          connection.greeted = true;
          continue;
        }
        const request = v.parse(requestSchema, body);
        checkRequest(request);
        this.#queue.push({ connection, request });
        connection.waiting++;
      }
    } catch (error) {
      return this.#drop(connection, `it sent what is no request: ${(error as Error).message}`);
    }
    if (connection.waiting > WAITING_MAX && !connection.paused) {
      connection.paused = true;
      connection.socket.pause();
    }
    this.#schedule();
  }

  /** Everything that arrives until the batch starts, so also while the one before was being written, shares one commit. */
  #schedule(): void {
    if (this.#scheduled || this.#closed || (this.#queue.length === 0 && !this.#leases.anyDue)) return;
    this.#scheduled = true;
    this.#platform.clock.soon(() => {
      this.#scheduled = false;
      if (this.#closed) return;
      this.#runBatch();
      this.#schedule();
    });
  }

  #runBatch(): void {
    const batch = this.#queue.splice(0, BATCH_MAX);
    for (const { connection } of batch) connection.waiting--;
    this.#effects = [];
    try {
      this.#database.begin();
      for (const { connection, request } of batch) if (connection.open) this.#serve(connection, request);
      // Requests first: a keepalive that came in time, but waited behind a slow commit, saves its lease.
      for (const id of this.#leases.takeDue()) this.#removeLease(id);
      this.#database.commit();
      this.#mark.reached(this.#database.revision);
    } catch (error) {
      this.#failed(error as Error, batch);
    }
    for (const run of this.#effects) run();
    for (const connection of this.#connections) this.#flush(connection);
  }

  /**
   * Nothing of the batch was answered. After an I/O error nobody knows what the file system kept, so the process ends and
   * what is durable is read again. A full file system is survived: the changes fail, the rest of the batch is tried again.
   */
  #failed(error: Error, batch: readonly Waiting[]): void {
    if (!(error instanceof SQLiteError)) throw error;
    if (error.code !== "SQLITE_FULL") this.#platform.fatal("drive-failed", `the embedded cluster store cannot write: ${error.message}`);
    this.#platform.log.error("The file system of the embedded cluster store is full: nothing can be changed", { error: error.message });
    this.#database.rollback();
    this.#leases.load(this.#database.leases());
    this.#effects = [];
    const again: Waiting[] = [];
    for (const { connection, request } of batch) {
      if (request.ask === "transact" || request.ask === "grant" || request.ask === "revoke") {
        this.#answer(connection, request.id, { kind: "failed", reason: "the file system of the cluster store is full" });
      } else {
        connection.waiting++;
        again.push({ connection, request });
      }
    }
    this.#queue.unshift(...again);
  }

  #serve(connection: Connection, request: Request): void {
    const database = this.#database;
    switch (request.ask) {
      case "get": {
        const found = database.get(request.key);
        return this.#list(connection, request.id, found === null ? [] : [found]);
      }
      case "range":
        return this.#list(connection, request.id, database.range(request.prefix));
      case "transact": {
        const changes = database.transact(request);
        if (changes !== null) this.#publish(changes);
        return this.#answer(connection, request.id, { kind: changes === null ? "refused" : "success" });
      }
      case "watch": {
        if (connection.watches.size >= WATCHES_MAX) return this.#answer(connection, request.id, { kind: "failed", reason: "too many watches" });
        this.#list(connection, request.id, database.range(request.prefix));
        this.#effects.push(() => connection.watches.set(request.id, request.prefix));
        return;
      }
      case "unwatch":
        this.#effects.push(() => connection.watches.delete(request.id));
        return;
      case "grant": {
        if (this.#leases.size >= LEASES_MAX) return this.#answer(connection, request.id, { kind: "failed", reason: "too many leases" });
        const lease = this.#platform.random.id().toString(16);
        database.addLease(lease, request.ttlMs);
        this.#leases.add(lease, request.ttlMs);
        return this.#answer(connection, request.id, { kind: "lease", lease });
      }
      case "keepAlive":
        return this.#answer(connection, request.id, { kind: "alive", alive: this.#leases.keepAlive(request.lease) });
      case "revoke":
        this.#removeLease(request.lease);
        return this.#answer(connection, request.id, { kind: "done" });
    }
  }

  #list(connection: Connection, id: number, entries: ReturnType<StoreDatabase["range"]>): void {
    const pieces = parts(entries);
    pieces.forEach((piece, index) => this.#answer(connection, id, { kind: "entries", entries: piece, more: index < pieces.length - 1 }));
  }

  /** Answers once the batch is durable, with the revision of this moment. */
  #answer(connection: Connection, id: number, body: AnswerBody): void {
    const { storeId, revision } = this.#database;
    this.#effects.push(() => this.#send(connection, { id, storeId, revision, ...body }));
  }

  #publish(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    const { storeId, revision } = this.#database;
    this.#effects.push(() => {
      for (const connection of this.#connections) {
        for (const [id, prefix] of connection.watches) {
          const own = changes.filter(({ key }) => key.startsWith(prefix));
          if (own.length === 0) continue;
          const pieces = parts(own);
          pieces.forEach((piece, index) => {
            this.#send(connection, { id, storeId, revision, kind: "changes", changes: piece, more: index < pieces.length - 1 });
          });
        }
      }
    });
  }

  #send(connection: Connection, body: object): void {
    if (connection.open) connection.unsent.push(encodeFrame(body));
  }

  /** One write for all frames of a batch. */
  #flush(connection: Connection): void {
    if (connection.paused && connection.waiting <= WAITING_MAX) {
      connection.paused = false;
      connection.socket.resume();
    }
    if (connection.unsent.length === 0) return;
    const bytes = connection.unsent.length === 1 ? connection.unsent[0]! : Buffer.concat(connection.unsent);
    connection.unsent = [];
    connection.socket.write(bytes);
    if (connection.socket.queuedBytes > UNSENT_BYTES_MAX) this.#drop(connection, "it does not take its answers");
  }

  #removeLease(id: string): void {
    this.#leases.remove(id);
    this.#publish(this.#database.removeLease(id));
  }

  #drop(connection: Connection, reason: string): void {
    if (!connection.open) return;
    this.#platform.log.warn("The embedded cluster store closed a connection", { connection: connection.name, reason });
    this.#forget(connection);
    connection.socket.destroy();
  }

  #forget(connection: Connection): void {
    connection.open = false;
    connection.watches.clear();
    connection.unsent = [];
    this.#connections.delete(connection);
  }
}

/** The rules that the types cannot say. Throws when a request breaks them. */
function checkRequest(request: Request): void {
  switch (request.ask) {
    case "get":
      return checkKey(request.key);
    case "range":
    case "watch":
      return checkPrefix(request.prefix);
    case "transact":
      return checkTransaction({ compares: request.compares, deletes: request.deletes, puts: request.puts.map(({ key, value }) => ({ key, value })) });
    case "grant":
      return checkLeaseTtl(request.ttlMs);
    default:
  }
}
