import { driveRecord, keys, parseValue, type DriveRecord, type Observed } from "../cluster/schema.ts";
import type { Clock, Log, Timer } from "../platform/platform.ts";
import type { ClusterStore, StoreLease } from "../platform/store.ts";

/** This drive's liveness in the store ends this long after its process (a hint for health and plans, never for the rules). */
const LEASE_TTL_MS = 5000;
const RETRY_MS = 500;
/** A lease that is still there after twice its time is kept by somebody. */
const ALIVE_ELSEWHERE_MS = 2 * LEASE_TTL_MS;
/** Who has not looked for longer than this does not know whether the store had its quorum meanwhile. */
const LOOKED_MS = 2000;
/** `observed` is written at most this often. */
const OBSERVED_EVERY_MS = 300;
/** And at least this often: a write whose outcome was never known may arrive late and undo a newer one. */
const OBSERVED_ANEW_MS = 10_000;

/** Keeps `drive/`, `up/drive/` and `observed/` of one drive in the store, through outages of the store. */
export class Registration {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #record: DriveRecord;
  readonly #observe: () => Observed;
  readonly #refused: (why: string) => void;
  /** Whether this very drive answers at a place where it is not. */
  readonly #answersAt: (record: DriveRecord) => Promise<boolean>;
  #elsewhereSinceMs: number | null = null;
  #lookedMs = -Infinity;
  #lease: StoreLease | null = null;
  /** Revision of this registration: what an earlier process wrote and arrives late is refused by it. */
  #revision = 0;
  #timer: Timer | null = null;
  #anew: Timer | null = null;
  #dirty = true;
  #writing = false;
  #closed = false;
  #last = "";

  constructor(store: ClusterStore, clock: Clock, log: Log, record: DriveRecord, observe: () => Observed, refused: (why: string) => void, answersAt: (record: DriveRecord) => Promise<boolean>) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#record = record;
    this.#observe = observe;
    this.#refused = refused;
    this.#answersAt = answersAt;
  }

  /** Resolves when the drive is registered once; afterwards keeps it so. */
  async start(): Promise<void> {
    while (!this.#closed && !(await this.#register())) await new Promise<void>((resolve) => void this.#clock.timer(RETRY_MS, resolve));
    this.#schedule();
  }

  changed(): void {
    this.#dirty = true;
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#anew?.cancel();
    await this.#lease?.revoke().catch(() => undefined);
  }

  async #register(): Promise<boolean> {
    let lease: StoreLease | null = null;
    try {
      const { id, instance } = this.#record;
      const [{ found }, { found: upFound }] = await Promise.all([this.#store.get(keys.drive(id)), this.#store.get(keys.upDrive(id))]);
      const known = found && parseValue(driveRecord, found.key, found.value);
      // It may be cut off from the store alone, and serve.
      const alive = upFound !== null || (known !== null && !this.#isHere(known) && (await this.#answersAt(known)));
      if (this.#closed) return true;
      const wrong = this.#judge(known, alive);
      if (wrong === "wait") return false;
      if (wrong !== null) {
        this.#closed = true;
        this.#refused(wrong);
        return true;
      }
      lease = await this.#store.lease(LEASE_TTL_MS);
      const outcome = await this.#store.transact({
        // An earlier try, of an earlier process even, may arrive late: it must not undo this one.
        compares: [
          { key: keys.drive(id), revision: found?.revision ?? 0 },
          { key: keys.upDrive(id), revision: upFound?.revision ?? 0 },
        ],
        puts: [
          { key: keys.drive(id), value: JSON.stringify(this.#record) },
          { key: keys.upDrive(id), value: JSON.stringify({ instance, sinceMs: this.#clock.wallMs() }), lease },
        ],
      });
      if (outcome.outcome !== "success") throw new Error(outcome.outcome === "unknown" ? outcome.reason : "refused");
      this.#lease = lease;
      this.#revision = outcome.revision;
      lease.onLost(() => {
        if (this.#lease !== lease || this.#closed) return;
        this.#lease = null;
        // `observed/` goes with the lease.
        this.#last = "";
        this.#dirty = true;
        this.#log.warn("the lease of this drive in the cluster store was lost; registering again");
        void this.start();
      });
      return true;
    } catch (error) {
      void lease?.revoke().catch(() => undefined);
      // R22: leases do not run out while the store has no quorum, so what is still there proves nothing until it has had the whole time again.
      this.#elsewhereSinceMs = null;
      this.#log.warn("the drive could not be registered in the cluster store yet", { reason: error instanceof Error ? error.message : String(error) });
      return false;
    }
  }

  /**
   * R22: a drive that was moved registers where it is now, as soon as its old place is silent. One that is alive elsewhere at the
   * same time is a copy: the one that was there first is not touched. A drive's instance only grows, so a run that is not the
   * newest is no rightful one either.
   */
  #judge(known: DriveRecord | null, alive: boolean): string | "wait" | null {
    const { id, instance } = this.#record;
    if (!known) return null;
    const same = this.#isHere(known);
    const where = `server ${known.server} (${known.address}:${known.port})`;
    if (known.instance > instance || (known.instance === instance && !same)) return `drive ${id} is registered with run ${known.instance} on ${where}, and this is run ${instance}: this disk is a copy of that one, or was away while it went on; format it to use it as another drive`;
    if (same || !alive) {
      this.#elsewhereSinceMs = null;
      return null;
    }
    const nowMs = this.#clock.nowMs();
    // A process that stood still has seen no time pass.
    if (this.#elsewhereSinceMs === null || nowMs - this.#lookedMs > LOOKED_MS) this.#elsewhereSinceMs = nowMs;
    this.#lookedMs = nowMs;
    if (nowMs - this.#elsewhereSinceMs < ALIVE_ELSEWHERE_MS) return "wait";
    return `drive ${id} is alive on ${where} at the same time: this disk is a copy of that one; format it to use it as another drive`;
  }

  #isHere({ server, address, port }: DriveRecord): boolean {
    return this.#record.server === server && this.#record.address === address && this.#record.port === port;
  }

  #schedule(): void {
    if (this.#timer || this.#closed) return;
    this.#timer = this.#clock.timer(OBSERVED_EVERY_MS, () => {
      this.#timer = null;
      void this.#write();
    });
  }

  async #write(): Promise<void> {
    const lease = this.#lease;
    if (!this.#dirty || this.#writing || !lease || this.#closed) return;
    this.#dirty = false;
    this.#writing = true;
    const value = JSON.stringify(this.#observe());
    if (value !== this.#last) {
      const { id } = this.#record;
      const outcome = await this.#store.transact({ compares: [{ key: keys.upDrive(id), revision: this.#revision }], puts: [{ key: keys.observed(id), value, lease }] });
      // Under a lease that was lost meanwhile it is gone again.
      if (outcome.outcome === "success" && this.#lease === lease) this.#written(value);
      else this.#dirty = true;
    }
    this.#writing = false;
    if (this.#dirty) this.#schedule();
  }

  #written(value: string): void {
    this.#last = value;
    this.#anew?.cancel();
    this.#anew = this.#clock.timer(OBSERVED_ANEW_MS, () => {
      this.#last = "";
      this.changed();
    });
  }
}
