import { health, Pauses, withSilentStore, type Health } from "../cluster/health.ts";
import { ClusterMap } from "../cluster/map.ts";
import { AlertingMap } from "../cluster/alerting.ts";
import { AuditMap } from "../cluster/audit-map.ts";
import { PortalsMap } from "../cluster/statistics.ts";
import { Seen } from "../cluster/progress.ts";
import { keys } from "../cluster/schema.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import type { ClusterStore, Watch } from "../platform/store.ts";
import { People } from "./people.ts";

/** A watch does not tell when the store falls silent, so it is asked this often. */
const PROBE_EVERY_MS = 2_000;
const LOOK_EVERY_MS = 500;
/** Longer than an election of the store and one failed probe, so that neither alarms anybody. */
const SILENT_AFTER_MS = 6_000;

/** This server's copy of the cluster's state, kept by a watch, and whether the store behind it still answers. */
export class ClusterView {
  readonly map = new ClusterMap();
  /** Alerts and events, measurements of servers, the settings of notifications. */
  readonly alerting = new AlertingMap();
  readonly audit = new AuditMap();
  /** What the portals do, and who is connected. */
  readonly portals = new PortalsMap();
  readonly people = new People();
  readonly #listeners = new Set<(keys: readonly string[]) => void>();
  readonly #platform: Platform;
  readonly #store: ClusterStore;
  readonly #watch: Watch;
  #ready = false;
  /** R24: servers that an administrator has confirmed as lost, on this server. */
  lost: readonly string[] = [];
  #answeredAtMs: number;
  #probe: Timer | null = null;
  readonly #pauses: Pauses;
  /** Since when who is away is away, and how long copies take. */
  readonly seen = new Seen();
  #look: Timer | null = null;
  #closed = false;
  #sentence = "";

  constructor(platform: Platform, store: ClusterStore) {
    this.#platform = platform;
    this.#store = store;
    this.#answeredAtMs = platform.clock.nowMs();
    this.#pauses = new Pauses(() => platform.clock.nowMs());
    this.#watch = store.watch("", {
      snapshot: (entries, origin) => {
        const keys = this.map.snapshot(entries, origin.revision, origin.storeId);
        this.people.snapshot(entries);
        this.alerting.snapshot(entries, origin.revision);
        this.portals.snapshot(entries);
        this.audit.snapshot(entries);
        this.#ready = true;
        this.#answered();
        this.#tell(keys);
      },
      changed: (changes, origin) => {
        const keys = this.map.changed(changes, origin.revision);
        this.people.changed(changes);
        this.alerting.changed(changes, origin.revision);
        this.portals.changed(changes);
        this.audit.changed(changes);
        this.#answered();
        this.#tell(keys);
      },
    });
    this.#scheduleProbe();
    this.#scheduleLook();
  }

  /** Whether the map has been read at all. */
  get ready(): boolean {
    return this.#ready;
  }

  get silentMs(): number {
    return Math.round(this.#platform.clock.nowMs() - this.#answeredAtMs);
  }

  get storeAnswers(): boolean {
    return this.silentMs < SILENT_AFTER_MS;
  }

  health(): Health {
    const known = health(this.map, this.#platform.clock.wallMs(), this.#pauses, this.seen);
    return this.storeAnswers ? known : withSilentStore(known, this.silentMs, { lost: this.lost, auto: this.map.settings.loneSurvivor === "auto" });
  }

  /** `run` gets the keys of the store that were added, changed or removed, of whatever kind. Returns how to stop it. */
  onChange(run: (keys: readonly string[]) => void): () => void {
    this.#listeners.add(run);
    return () => this.#listeners.delete(run);
  }

  close(): void {
    this.#closed = true;
    this.#probe?.cancel();
    this.#look?.cancel();
    this.#watch.close();
  }

  #tell(keys: readonly string[]): void {
    for (const run of [...this.#listeners]) run(keys);
  }

  #answered(): void {
    this.#answeredAtMs = this.#platform.clock.nowMs();
  }

  /** Some of it changes with time alone. */
  #toldHealth(): void {
    const { sentence } = this.health();
    if (sentence === this.#sentence) return;
    this.#sentence = sentence;
    this.#tell(["health"]);
  }

  /** Short pauses are told from long ones only by looking all the time. */
  #scheduleLook(): void {
    this.#look = this.#platform.clock.timer(LOOK_EVERY_MS, () => {
      if (this.#ready) {
        this.seen.observe(this.map, this.#platform.clock.nowMs(), this.#platform.clock.wallMs());
        this.#toldHealth();
      }
      this.#scheduleLook();
    });
  }

  #scheduleProbe(): void {
    if (this.#closed) return;
    this.#probe = this.#platform.clock.timer(PROBE_EVERY_MS, () => {
      this.#store
        .get(keys.cluster)
        .then(
          () => this.#answered(),
          () => {}, // silence is what the probe measures
        )
        .finally(() => this.#scheduleProbe());
    });
  }
}
