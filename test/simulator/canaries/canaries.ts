/** One rule broken in a copy of the product's sources. */
export interface Canary {
  readonly name: string;
  /** What protocol or design says and the copy does not do. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
  /** The simulator must notice within so many seeds. */
  readonly seedsMax: number;
}
/** `find` occurs exactly once in the file. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/**
 * The product itself has no switch for breaking it: each canary is a change of a copy of the sources, so none can be left on. An
 * edit that does not fit the sources any more is a failure of its own.
 */
export const CANARIES: readonly Canary[] = [
  {
    name: "acknowledged before a member has journalled",
    breaks: "R1, I2: a write is done when it is durable on the whole required set",
    edits: [{ file: "src/storage/group/serving.ts", find: "if (!inFlight.durable || !required.every((peer) => compareIds(peer.acknowledged, inFlight.entry) >= 0)) break;", replace: "if (!inFlight.durable) break;" }],
    seedsMax: 20,
  },
  {
    name: "the epoch of a message is not looked at",
    breaks: "section 2: a message with a lower epoch has no effect but a refusal",
    edits: [
      { file: "src/storage/group/replica.ts", find: "if (!this.image?.config || this.refusesEpoch(channel, message)) return;", replace: "if (!this.image?.config) return;" },
      { file: "src/storage/group/replica.ts", find: "if (message.epoch !== this.image.epoch || !following || this.#stream !== channel) return;", replace: "" },
    ],
    seedsMax: 40,
  },
  {
    name: "grace shorter than lease",
    breaks: "R3b, A1: a promise outlives every lease that it gave",
    edits: [
      { file: "src/storage/group/times.ts", find: "export const GRACE_MS = 3000;", replace: "export const GRACE_MS = 600;" },
      { file: "src/storage/group/times.ts", find: "assert(LEASE_MS * (1 + DRIFT) < GRACE_MS * (1 - DRIFT)", replace: "assert(LEASE_MS * (1 + DRIFT) > GRACE_MS * (1 - DRIFT)" },
    ],
    seedsMax: 20,
  },
  {
    name: "reads without leases",
    breaks: "R2d, I4: a primary answers reads only under leases from all members",
    edits: [{ file: "src/storage/group/leases.ts", find: "return this.#term.required().every((peer) => peer.leaseUntilMs > now);", replace: "return now > 0;" }],
    seedsMax: 20,
  },
  {
    name: "a learner is promoted early",
    breaks: "R11, I5: a learner becomes a member only when it holds every acknowledged write",
    edits: [{ file: "src/storage/group/recovery.ts", find: "if (dirty) this.#queue = [...dirty];", replace: "if (dirty) this.#queue = [];" }],
    seedsMax: 40,
  },
  {
    name: "reconcile is skipped",
    breaks: "R7: all tails are made equal before Serving begins",
    edits: [{ file: "src/storage/group/peering.ts", find: "if (touched.length === 0) return this.#outcome.equal();", replace: "if (touched.length >= 0) return this.#outcome.equal();" }],
    seedsMax: 20,
  },
  {
    name: "reads are served over writes in flight",
    breaks: "R2a: a read waits until no overlapping write is in flight",
    edits: [{ file: "src/storage/group/ranges.ts", find: 'if (extent.writes.some((write) => overlaps(write, range))) extent.waiting.push({ kind: "read", range, run: start });\n    else start();', replace: "start();" }],
    seedsMax: 60,
  },
  {
    name: "an overtaken read is answered",
    breaks: "R2c: a read that a write has overtaken is done again",
    edits: [{ file: "src/storage/group/commands.ts", find: "if (!reader.overtaken) return this.#answerRead(read, content);", replace: "if (reader.range) return this.#answerRead(read, content);" }],
    seedsMax: 100,
  },
  {
    name: "operation ids are not remembered",
    breaks: "R16: a known operation gets its recorded answer and is not executed again",
    edits: [{ file: "src/storage/group/commands.ts", find: "if (this.#serving.replica.image?.operations.get(message.gateway)?.has(message.operation))", replace: "if (message.operation < 0)" }],
    seedsMax: 40,
  },
  {
    name: "a learner applies writes to ranges that it lacks",
    breaks: "R9: live entries for a range that is not in sync are acknowledged and not applied",
    edits: [{ file: "src/storage/group/replica.ts", find: "skip: this.#dirty?.skip(entry) ?? null", replace: "skip: null" }],
    seedsMax: 100,
  },
  {
    name: "an incomplete member takes part in reconcile",
    breaks: "R7b: a member that is damaged or incomplete lost acknowledged data",
    edits: [{ file: "src/storage/group/peering.ts", find: "if (tail.damaged || tail.incomplete || compareIds", replace: "if (compareIds" }],
    seedsMax: 100,
  },
  {
    name: "a journal write counts as durable when it is begun",
    breaks: "section 1, I8: an entry is durable before it is acknowledged",
    edits: [{ file: "src/storage/drive/ring.ts", find: "dsync: true", replace: "dsync: false" }],
    seedsMax: 40,
  },
  {
    name: "checksums are not looked at",
    breaks: "I7: data whose checksum does not match is never returned",
    edits: [{ file: "src/storage/drive/extent-read.ts", find: "|| blockChecksum(content, range.lineage, base + block) !== checksums[i]", replace: "|| (base < 0 && blockChecksum(content, range.lineage, block) < 0)" }],
    seedsMax: 40,
  },
];
