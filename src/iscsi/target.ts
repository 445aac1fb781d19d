import { ARRIVAL_TICK_MS, ArrivalClock } from "../base/arrival.ts";
import { assert } from "../base/assert.ts";
import { LineBudget } from "../base/line-budget.ts";
import type { Listener, Platform, Socket, SocketEvents, Timer } from "../platform/platform.ts";
import { DeviceServer } from "../scsi/device.ts";
import type { TargetPort } from "../scsi/unit.ts";
import type { Access, Portal } from "./access.ts";
import { BufferPool } from "./buffer-pool.ts";
import { Connection } from "./connection.ts";
import { Counters } from "./counters.ts";
import type { LoginResult } from "./login.ts";
import { Session } from "./session.ts";

/** Hosts times paths: 64 hosts with 8 paths each to this one server. Also bounds what unknown peers can occupy. */
const CONNECTIONS_MAX = 512;
/** Of them, those that have not logged in, discovery sessions included, which prove nothing: others must be able to. */
const LOGINS_MAX = 128;
/** One of them that has had so long, many times what a login or a discovery takes, gives its place to a newcomer. */
const PLACE_MS = 2_000;
/** What all sessions together may hold in commands, data not yet taken by initiators included. */
const MEMORY_BYTES = 256 * 1024 * 1024;
/** A session alone gets no more of it. */
const SHARE_BYTES_MAX = 32 * 1024 * 1024;
/** And never less: two transfers of 1 MiB with room. */
const SHARE_BYTES_MIN = 2 * 1024 * 1024;
const TICK_MS = 1_000;
/** A login waits so long at most for the newest configuration, so that hosts get in without a store too. */
const LATEST_MS = 500;
/** A new session waits so long for the commands of the one it replaces; the volume gives none of them much longer. */
const REINSTATEMENT_MS = 5_000;
/** So long may running commands take when the target stops. */
const STOP_MS = 5_000;

export interface SessionInfo {
  readonly initiatorName: string;
  /** Null for a discovery session of an unknown initiator. */
  readonly hostName: string | null;
  readonly discovery: boolean;
  readonly isid: string;
  readonly tsih: number;
  readonly remote: string;
  readonly local: string;
  /** Wall-clock time of the login. */
  readonly sinceMs: number;
  /** Commands that are here now. */
  readonly commandCount: number;
}

/** The iSCSI target of one server: its portal, its connections, its sessions. */
export class IscsiTarget {
  readonly #platform: Platform;
  readonly #access: Access;
  readonly #portal: Portal;
  readonly #port: TargetPort;
  readonly #device: DeviceServer;
  /** What all sessions have done since the process started. */
  readonly counters: Counters;
  readonly #buffers = new BufferPool();
  readonly #connections = new Set<Connection>();
  /** Open sessions by TSIH. */
  readonly #sessions = new Map<number, { readonly session: Session; readonly connection: Connection; readonly sinceMs: number }>();
  /** Commands of sessions that are closed, but still run: by initiator port. */
  readonly #ending = new Map<string, Promise<void>>();
  #listener: Listener | null = null;
  #timer: Timer | null = null;
  readonly #arrivals: ArrivalClock;
  #arrivalTimer: Timer | null = null;
  #unsubscribe: (() => void) | null = null;
  #lastTsih = 0;
  #suspendedUntilMs = 0;
  readonly #strangerLines = new LineBudget();

  constructor(platform: Platform, access: Access, portal: Portal) {
    assert(portal.groupTag >= 1 && portal.groupTag <= 65535, "a portal group tag is 1 to 65535");
    this.#platform = platform;
    this.#access = access;
    this.#portal = portal;
    this.counters = new Counters(platform.clock);
    this.#arrivals = new ArrivalClock(platform.clock.nowMs());
    this.#port = { groupTag: portal.groupTag };
    this.#device = new DeviceServer(() => access.portals());
  }

  /** Rejects with an Error that names address and port when it cannot listen. */
  async start(): Promise<void> {
    const { address, port } = this.#portal;
    this.#listener = await this.#platform.network.listen({ endpoint: { address, port } }, (socket) => this.#accept(socket));
    this.#unsubscribe = this.#access.onChange(() => this.#refresh());
    this.#tick();
    this.#arrivals.restart(this.#platform.clock.nowMs());
    this.#tickArrivals();
    this.#platform.log.info("iSCSI portal open", { address, port: this.#listener.port, groupTag: this.#portal.groupTag });
  }

  /** Port on which it listens: the one that was free, if 0 was asked for. */
  get listeningPort(): number {
    assert(this.#listener !== null, "the target listens");
    return this.#listener.port;
  }

  /** Takes no more connections, closes those that are there, and waits for commands that run, but not for ever. */
  async stop(): Promise<void> {
    this.#listener?.close();
    this.#listener = null;
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    for (const connection of [...this.#connections]) connection.close("the target stops");
    await this.#atMost(STOP_MS, Promise.all(this.#ending.values()));
    this.#arrivalTimer?.cancel();
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Closes every connection, and lets nobody log in for `ms`, or for longer if that was said before. */
  suspend(ms: number, reason: string): void {
    this.#suspendedUntilMs = Math.max(this.#suspendedUntilMs, this.#platform.clock.nowMs() + ms);
    for (const connection of [...this.#connections]) connection.close(reason);
  }

  /** Ends the sessions of these hosts; they may log in again at once. */
  dropHosts(names: ReadonlySet<string>, reason: string): void {
    for (const { session, connection } of [...this.#sessions.values()]) if (session.login.host && names.has(session.login.host.name)) connection.close(reason);
  }

  sessions(): SessionInfo[] {
    return [...this.#sessions.values()].map(({ session, connection, sinceMs }) => ({
      sinceMs,
      initiatorName: session.login.initiatorName,
      hostName: session.login.host?.name ?? null,
      discovery: session.login.discovery,
      isid: session.login.isid,
      tsih: session.tsih,
      remote: connection.socket.remote,
      local: connection.socket.local,
      commandCount: session.tasks.count,
    }));
  }

  /** R26: resolves when every command that is here now has ended, those of closed sessions included. */
  async settled(): Promise<void> {
    await Promise.all([...this.#ending.values(), ...[...this.#sessions.values()].map(({ session }) => session.tasks.settled())]);
  }

  #accept(socket: Socket): SocketEvents {
    const connection = new Connection(socket, {
      platform: this.#platform,
      arrivals: this.#arrivals,
      login: {
        access: this.#access,
        random: this.#platform.random,
        crypto: this.#platform.crypto,
        groupTag: this.#portal.groupTag,
        sessionExists: (tsih) => this.#sessions.has(tsih),
        mayOpen: () => this.#listener !== null && this.#platform.clock.nowMs() >= this.#suspendedUntilMs,
      },
      open: (login, opened, firstStatus) => this.#open(login, opened, firstStatus),
      strangerLines: this.#strangerLines,
      gone: (closed) => this.#gone(closed),
    });
    this.#connections.add(connection);
    // Whoever connects after its host was entered and a volume was mapped to it is known and finds the LUN.
    socket.pause();
    void this.#atMost(LATEST_MS, this.#access.latest()).then(() => socket.resume());
    if (this.#connections.size > CONNECTIONS_MAX) connection.close(`more than ${CONNECTIONS_MAX} connections`);
    else this.#boundStrangers(connection);
    return connection;
  }

  /** Whoever holds connections open without a login must keep no host out: the oldest gives way, unless it may be a login under way. */
  #boundStrangers(newcomer: Connection): void {
    // Most often there are too few connections for a closer look.
    if (this.#connections.size <= LOGINS_MAX) return;
    const strangers = [...this.#connections].filter(({ strangerSinceMs }) => strangerSinceMs !== null);
    if (strangers.length <= LOGINS_MAX) return;
    const reason = `more than ${LOGINS_MAX} connections without a login`;
    const oldest = strangers[0]!;
    const givesWay = this.#platform.clock.nowMs() - oldest.strangerSinceMs! >= PLACE_MS;
    (givesWay ? oldest : newcomer).close(reason);
  }

  /** An initiator port that logs in again means to start afresh: its old session ends first (RFC 7143 6.3.5). */
  async #open(login: LoginResult, connection: Connection, firstStatus: number): Promise<Session | null> {
    const port = portName(login);
    for (const { session, connection: old } of [...this.#sessions.values()]) {
      if (portName(session.login) === port) old.close("the initiator has logged in again");
    }
    const ending = this.#ending.get(port);
    if (ending !== undefined) await this.#atMost(REINSTATEMENT_MS, ending);
    if (!this.#connections.has(connection) || this.#listener === null) return null;
    // Another login of the same port may have come first while this one waited: the later wins.
    for (const { session, connection: old } of [...this.#sessions.values()]) {
      if (portName(session.login) === port) old.close("the initiator has logged in again");
    }
    const session = new Session(login, this.#nextTsih(), firstStatus, {
      access: this.#access,
      device: this.#device,
      counters: this.counters,
      port: this.#port,
      outbox: connection.outbox,
      buffers: this.#buffers,
      shareBytes: () => this.#shareBytes(),
      queuedBytes: () => connection.socket.queuedBytes,
      receivedMs: connection.receivedMs,
      written: connection.written,
      bug: (error) => this.#bug(error),
      peers: () => [...this.#sessions.values()].map((entry) => entry.session),
      finish: connection.finish,
    });
    // What was true when the login began may have changed while it went on.
    if (!session.refresh()) return null;
    this.#sessions.set(session.tsih, { session, connection, sinceMs: this.#platform.clock.wallMs() });
    const unwritten = login.discovery ? this.#strangerLines.take(this.#platform.clock.nowMs()) : 0;
    if (unwritten === null) return session;
    this.#platform.log.info("iSCSI session open", {
      initiator: login.initiatorName,
      host: login.host?.name,
      discovery: login.discovery,
      remote: connection.socket.remote,
      ...(unwritten > 0 ? { unwrittenBefore: unwritten } : {}),
    });
    return session;
  }

  #nextTsih(): number {
    do this.#lastTsih = (this.#lastTsih % 65535) + 1;
    while (this.#sessions.has(this.#lastTsih));
    return this.#lastTsih;
  }

  #gone(connection: Connection): void {
    this.#connections.delete(connection);
    const { session } = connection;
    if (session === null) return;
    this.#sessions.delete(session.tsih);
    if (session.tasks.count === 0) return;
    const port = portName(session.login);
    const before = this.#ending.get(port) ?? Promise.resolve();
    const ending = Promise.all([before, session.tasks.abort(() => true)]).then(() => {
      if (this.#ending.get(port) === ending) this.#ending.delete(port);
    });
    this.#ending.set(port, ending);
  }

  #shareBytes(): number {
    return Math.max(SHARE_BYTES_MIN, Math.min(SHARE_BYTES_MAX, Math.floor(MEMORY_BYTES / Math.max(1, this.#sessions.size))));
  }

  #refresh(): void {
    for (const { session, connection } of [...this.#sessions.values()]) {
      if (!session.refresh()) connection.close("the host's initiator was removed");
    }
  }

  #tick(): void {
    this.#timer = this.#platform.clock.timer(TICK_MS, () => {
      const nowMs = this.#platform.clock.nowMs();
      for (const connection of [...this.#connections]) connection.tick(nowMs);
      if (this.#listener !== null) this.#tick();
    });
  }

  #tickArrivals(): void {
    const { clock } = this.#platform;
    this.#arrivalTimer = clock.timer(ARRIVAL_TICK_MS, () => {
      const nowMs = clock.nowMs();
      this.#arrivals.tick(nowMs);
      // R15: what these hosts sent meanwhile is not read any more.
      if (this.#arrivals.unreadTooLong(nowMs)) for (const { connection } of [...this.#sessions.values()]) connection.close("this server stood still for too long");
      this.#tickArrivals();
    });
  }

  #atMost(ms: number, promise: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#platform.clock.timer(ms, resolve);
      void promise.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #bug(error: unknown): never {
    return this.#platform.fatal("bug", error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

/** SCSI initiator port: name and ISID (RFC 7143 4.4.1). */
function portName(login: LoginResult): string {
  return `${login.initiatorName.toLowerCase()},i,${login.isid}`;
}
