import type { ArrivalClock } from "../base/arrival.ts";
import type { LineBudget } from "../base/line-budget.ts";
import type { Platform, Socket, SocketEvents } from "../platform/platform.ts";
import { TARGET_DATA_BYTES_MAX } from "./keys.ts";
import { Login, type LoginAnswer, type LoginContext, type LoginResult } from "./login.ts";
import { Outbox } from "./outbox.ts";
import { Framer, type FramerEvents } from "./framer.ts";
import {
  after,
  AT_COMMAND_NUMBER,
  AT_EXPECTED_COMMAND_NUMBER,
  AT_EXPECTED_STATUS_NUMBER,
  AT_COMMAND_NUMBER_MAX,
  AT_STATUS_NUMBER,
  AT_TASK_TAG,
  LOGIN,
  LOGIN_RESPONSE,
  opcodeOf,
  ProtocolError,
} from "./pdu.ts";
import type { Session } from "./session.ts";
import { formatPairs } from "./text.ts";

/** RFC 7143 13.12: what may be sent before anything is negotiated. */
const LOGIN_DATA_BYTES_MAX = 8192;
/** A login takes milliseconds; what has not finished by then holds a place for nothing. */
const LOGIN_TIMEOUT_MS = 15_000;
/** A session that was silent for so long is asked whether it is there. */
const SILENCE_MS = 15_000;
/** And is given up when it does not answer for so long: together below the 60 s at which Windows guests give up. */
const ANSWER_MS = 15_000;
/** Nothing more is read from an initiator that leaves so much unread. */
const QUEUED_BYTES_MAX = 8 * 1024 * 1024;
/** A connection that is to be closed has so long to take what is queued. */
const CLOSING_MS = 5_000;

/*
 *   login --> settling --> full --> closing --> closed
 *      \__________\___________\________________^
 *
 * settling: the login is granted, but an older session of the same initiator port is still ending.
 * closing: the last bytes are on their way; nothing is read any more.
 */
type Phase = "login" | "settling" | "full" | "closing" | "closed";

export interface ConnectionContext {
  readonly platform: Platform;
  readonly arrivals: ArrivalClock;
  readonly login: LoginContext;
  /**
   * Opens the session that `login` has established, once older ones of the same initiator port have ended.
   * Null: it may not be opened any more.
   */
  readonly open: (login: LoginResult, connection: Connection, firstStatus: number) => Promise<Session | null>;
  /** For the lines about connections of whoever is no host. */
  readonly strangerLines: LineBudget;
  /** Called once when the connection is no more. */
  readonly gone: (connection: Connection) => void;
}

/** One TCP connection of an initiator: from its bytes to a session. */
export class Connection implements SocketEvents, FramerEvents {
  readonly socket: Socket;
  readonly outbox: Outbox;
  session: Session | null = null;
  readonly #context: ConnectionContext;
  readonly #framer: Framer;
  readonly #login: Login;
  #phase: Phase = "login";
  #phaseSinceMs: number;
  /** StatSN while the login lasts. */
  #status = 0;
  #started = false;
  /** Bytes have come since the last tick. */
  #heard = false;
  #heardMs: number;
  #pingedMs = 0;
  #flushing = false;
  /** Bytes are being handled: all replies go out at the end. */
  #receiving = false;
  #paused = false;
  /** R15: what is read before anything newer than the last resume may have come in since the last pause. */
  #pausedMs = Infinity;
  #resumedMs = -Infinity;
  #reason: string | null = null;

  constructor(socket: Socket, context: ConnectionContext) {
    this.socket = socket;
    this.#context = context;
    this.outbox = new Outbox(socket);
    this.#framer = new Framer(this, LOGIN_DATA_BYTES_MAX);
    this.#login = new Login(context.login);
    this.#phaseSinceMs = context.platform.clock.nowMs();
    this.#heardMs = this.#phaseSinceMs;
  }

  // ---- from the socket ----

  data(chunk: Buffer): void {
    if (this.#phase === "closing" || this.#phase === "closed") return;
    // R15: dropped unread; its host may have gone on elsewhere long ago, and comes back if it has not.
    if (this.session && this.#context.arrivals.unreadTooLong(this.#context.platform.clock.nowMs())) return this.close("this server stood still for too long");
    this.#heard = true;
    this.#receiving = true;
    try {
      this.#framer.receive(chunk, this.#stopped);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(error.message);
    } finally {
      this.#receiving = false;
    }
    this.#flush();
  }

  /** R15: lower bound of when the bytes that are being handled came in. */
  readonly receivedMs = (): number => {
    const { receivedMs } = this.#context.arrivals;
    return receivedMs > this.#resumedMs ? receivedMs : Math.min(receivedMs, this.#pausedMs);
  };

  readonly #stopped = (): boolean => this.#phase === "closing" || this.#phase === "closed";

  drained(): void {
    if (this.#paused && this.#phase === "full") {
      this.#paused = false;
      this.#resumedMs = this.#context.platform.clock.nowMs();
      this.socket.resume();
    }
    this.#heard = true;
    this.session?.tasks.pump();
    this.written();
  }

  closed(reason: string): void {
    this.#gone(reason);
  }

  // ---- from the framer ----

  place(header: Buffer): Buffer | null {
    if (this.#phase === "full") return this.session!.place(header);
    if (this.#phase === "settling") throw new ProtocolError("data before the login has been answered");
    if (opcodeOf(header) !== LOGIN) throw new ProtocolError("not an iSCSI login request");
    return null;
  }

  pdu(header: Buffer, data: Buffer): void {
    if (this.#phase === "full") this.session!.pdu(header, data);
    else this.#loginRequest(header, data);
  }

  // ---- login ----

  #loginRequest(header: Buffer, data: Buffer): void {
    if (!this.#started) {
      this.#started = true;
      this.#status = header.readUInt32BE(AT_EXPECTED_STATUS_NUMBER);
    }
    const answer = this.#login.receive(header, data);
    if (answer.result === null) {
      this.#answer(header, answer, 0);
      if (answer.refusal !== null) this.finish(`login refused: ${answer.refusal}`);
      return;
    }
    const { result } = answer;
    const copy = Buffer.from(header);
    this.#enter("settling");
    void this.#context.open(result, this, after(this.#status)).then((session) => {
      if (this.#phase !== "settling") return;
      if (session === null) return this.close("the host may not log in any more");
      this.session = session;
      this.#answer(copy, answer, session.tsih);
      this.#flush();
      this.#enter("full");
      const { parameters } = result;
      this.#framer.dataBytesMax = TARGET_DATA_BYTES_MAX;
      this.#framer.additionalHeaders = true;
      this.#framer.headerDigest = this.outbox.headerDigest = parameters.headerDigest;
      this.#framer.dataDigest = this.outbox.dataDigest = parameters.dataDigest;
    });
  }

  /** Login response (RFC 7143 11.13). */
  #answer(header: Buffer, answer: LoginAnswer, tsih: number): void {
    const { outbox } = this;
    const data = formatPairs(answer.pairs);
    const at = outbox.open(LOGIN_RESPONSE, answer.flags, data.length);
    const { buffer } = outbox;
    header.copy(buffer, at + 8, 8, 14);
    buffer.writeUInt16BE(tsih, at + 14);
    buffer.writeUInt32BE(header.readUInt32BE(AT_TASK_TAG), at + AT_TASK_TAG);
    const command = header.readUInt32BE(AT_COMMAND_NUMBER);
    buffer.writeUInt32BE(this.#status, at + AT_STATUS_NUMBER);
    buffer.writeUInt32BE(command, at + AT_EXPECTED_COMMAND_NUMBER);
    buffer.writeUInt32BE(command, at + AT_COMMAND_NUMBER_MAX);
    buffer.writeUInt16BE(answer.status, at + 36);
    outbox.close(data);
    this.#status = after(this.#status);
  }

  // ---- to the socket ----

  /** Replies were written outside of `data`: they go out together at the end of this turn. */
  readonly written = (): void => {
    if (this.#receiving || this.#flushing) return;
    this.#flushing = true;
    this.#context.platform.clock.soon(this.#flushSoon);
  };

  readonly #flushSoon = (): void => {
    this.#flushing = false;
    this.#flush();
  };

  #flush(): void {
    if (this.#phase === "closed") return;
    this.outbox.flush();
    if (!this.#paused && this.#phase === "full" && this.socket.queuedBytes > QUEUED_BYTES_MAX) {
      this.#pausedMs = this.receivedMs();
      this.#resumedMs = Infinity;
      this.#paused = true;
      this.socket.pause();
    }
  }

  /** Sends what is written, then closes; `reason` is for the log. */
  readonly finish = (reason: string): void => {
    if (this.#phase === "closing" || this.#phase === "closed") return;
    this.#reason ??= reason;
    this.#enter("closing");
    this.#flush();
    this.socket.end();
  };

  /** Closes at once. */
  close(reason: string): void {
    if (this.#phase === "closed") return;
    this.#reason ??= reason;
    this.#flush();
    this.socket.destroy();
    this.#gone(reason);
  }

  #gone(reason: string): void {
    if (this.#phase === "closed") return;
    this.#enter("closed");
    this.#context.gone(this);
    const unwritten = this.#known ? 0 : this.#context.strangerLines.take(this.#context.platform.clock.nowMs());
    if (unwritten === null) return;
    this.#context.platform.log.info("iSCSI connection closed", {
      initiator: this.#login.initiatorName || "unknown",
      remote: this.socket.remote,
      reason: this.#reason ?? reason,
      ...(unwritten > 0 ? { unwrittenBefore: unwritten } : {}),
    });
  }

  /** It belongs to a host that may use volumes. */
  get #known(): boolean {
    return this.session !== null && !this.session.login.discovery;
  }

  /** Since when, by the clock, it has held a place without the session of a host; null when it has one, or its login is granted. */
  get strangerSinceMs(): number | null {
    return this.#phase === "settling" || this.#known ? null : this.#phaseSinceMs;
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#phaseSinceMs = this.#context.platform.clock.nowMs();
  }

  /** Called every second or so: ends what is dead. */
  tick(nowMs: number): void {
    const inPhaseMs = nowMs - this.#phaseSinceMs;
    if (this.#phase === "login" && inPhaseMs > LOGIN_TIMEOUT_MS) return this.close(`no login within ${LOGIN_TIMEOUT_MS / 1000} s`);
    if (this.#phase === "closing" && inPhaseMs > CLOSING_MS) return this.close("the initiator does not read");
    if (this.#heard) {
      this.#heard = false;
      this.#heardMs = nowMs;
    }
    const { session } = this;
    if (this.#phase !== "full" || session === null) return;
    if (session.pinged && this.#heardMs > this.#pingedMs) session.pinged = false;
    if (session.pinged) {
      if (nowMs - this.#pingedMs > ANSWER_MS) this.close(`no answer to a NOP-In for ${ANSWER_MS / 1000} s`);
    } else if (nowMs - this.#heardMs > SILENCE_MS) {
      this.#pingedMs = nowMs;
      session.ping();
      this.#flush();
    }
  }
}
