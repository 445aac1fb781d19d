import type { Shape } from "../shapes.ts";

/** One rule broken in a copy of the product's sources. */
export interface Canary {
  readonly name: string;
  /** What protocol or design says and the copy does not do. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
  readonly caughtBy: Stories | StoryTest;
}
/** `find` occurs exactly once in the file. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}
/** Random stories, from the first seed on: one of them must end with the right answer. */
export interface Stories {
  readonly seedsMax: number;
  /** What is found wrong when it is this rule that is broken; a story that ends with something else counts for nothing. */
  readonly answers: RegExp;
  /** Without it each seed has its own. */
  readonly shape?: Shape;
  /** Simulated seconds with faults in each. */
  readonly seconds?: number;
}
/** Where no random story is likely to meet what the rule prevents: a told one, which passes on the sources as they are. */
export interface StoryTest {
  readonly test: string;
  /** In the name of the tests that must fail. */
  readonly named: string;
  /** A line of what they say then. */
  readonly answers: RegExp;
}

const SMALL: Shape = { servers: 3, copies: 2 };
const THREE: Shape = { servers: 3, copies: 3 };
/** Copies that are not equal in the end. */
const DIFFER = "extent \\S+ of group";

function answers(...invariants: readonly string[]): RegExp {
  return new RegExp(`(^|[ :])(${invariants.join("|")})[ :]`);
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
    caughtBy: { seedsMax: 5, answers: answers("I2", "I9"), shape: SMALL },
  },
  {
    name: "the epoch of a message is not looked at",
    breaks: "section 2: a message with a lower epoch has no effect but a refusal",
    edits: [
      { file: "src/storage/group/replica.ts", find: "if (!this.image?.config || this.refusesEpoch(channel, message)) return this.#pass(channel, message);", replace: "if (!this.image?.config) return;" },
      { file: "src/storage/group/replica.ts", find: "if (message.epoch !== this.image.epoch || !following || this.#stream !== channel) return this.#pass(channel, message);", replace: "" },
      { file: "src/storage/group/group.ts", find: 'if (epoch < config.epoch) return "stale";', replace: "" },
      { file: "src/storage/group/group.ts", find: 'if (epoch !== config.epoch || this.#state !== "following" || config.primary !== channel.peer.id || config.primaryInstance !== channel.peer.instance) return "ignored";', replace: 'if (this.#state !== "following") return "ignored";' },
      { file: "src/storage/group/group.ts", find: 'if (!this.replica.streamsOn(channel)) return "ignored";', replace: "" },
    ],
    caughtBy: { test: "test/storage/group/stale-epoch.test.ts", named: "a lower epoch", answers: answers("I9") },
  },
  {
    name: "grace shorter than lease",
    breaks: "R3b, A1: a promise outlives every lease that it gave",
    edits: [
      { file: "src/storage/group/times.ts", find: "export const GRACE_MS = 3000;", replace: "export const GRACE_MS = 600;" },
      { file: "src/storage/group/times.ts", find: "assert(LEASE_MS * (1 + DRIFT) < GRACE_MS * (1 - DRIFT)", replace: "assert(LEASE_MS * (1 + DRIFT) > GRACE_MS * (1 - DRIFT)" },
    ],
    caughtBy: { seedsMax: 60, answers: answers("I1", "I4", "I9") },
  },
  {
    name: "reads without leases",
    breaks: "R2d, I4: a primary answers reads only under leases from all members",
    edits: [{ file: "src/storage/group/leases.ts", find: "return this.#term.required().every((peer) => peer.leaseUntilMs > now || peer.downUntilMs > now || peer.takenUntilMs > now);", replace: "return now > 0;" }],
    caughtBy: { seedsMax: 60, answers: answers("I1", "I4", "I9") },
  },
  {
    name: "a restarted process forgets its promise",
    breaks: "R3d: a process starts as if it had promised just now",
    edits: [
      { file: "src/storage/group/group.ts", find: "this.#promiseUntilMs = this.#lastTickMs + times.GRACE_MS;", replace: "this.#promiseUntilMs = this.#lastTickMs;" },
      { file: "src/storage/group/group.ts", find: "promiseAnew(): void {\n    this.#promiseUntilMs = this.#host.clock.nowMs() + times.GRACE_MS;", replace: "promiseAnew(): void {" },
    ],
    caughtBy: { seedsMax: 60, answers: answers("I1", "I4", "I9") },
  },
  {
    name: "a learner is promoted early",
    breaks: "R11, I5: a learner becomes a member only when it holds every acknowledged write",
    edits: [{ file: "src/storage/group/recovery.ts", find: "for (const range of [...ours, ...theirs]) this.#toCopy.add(range);", replace: "void theirs;" }],
    caughtBy: { seedsMax: 60, answers: answers("I5", "I9", DIFFER) },
  },
  {
    // Without any of it the gapless streams (R1) keep such a group from serving at all.
    name: "reconcile makes logs equal and skips their content",
    breaks: "R7d: every range touched after the newest common entry is pulled from the adopter and pushed to the others",
    edits: [{ file: "src/storage/group/peering.ts", find: "const ranges = wholeChunks(touched, PIECE_BLOCKS_MAX);", replace: "const ranges = wholeChunks([], PIECE_BLOCKS_MAX);" }],
    caughtBy: { seedsMax: 60, answers: answers("I2", "I9", DIFFER) },
  },
  {
    name: "an incomplete member takes part in reconcile",
    breaks: "R7b: a member that is damaged or incomplete lost acknowledged data",
    edits: [{ file: "src/storage/group/peering.ts", find: "if (tail.damaged || tail.incomplete || compareIds", replace: "if (compareIds" }],
    caughtBy: { test: "test/storage/group/reconcile.test.ts", named: "R7b:", answers: /^error: it does not come to pass/ },
  },
  {
    name: "a tail is told before its epoch is journalled",
    breaks: "R7a: a tail counts only when the new epoch is in its owner's journal",
    edits: [{ file: "src/storage/group/replica.ts", find: 'this.#host.drive.append({ type: "config", group: this.#group, config }, durable);', replace: 'this.#host.drive.append({ type: "config", group: this.#group, config });\n    durable();' }],
    caughtBy: { seedsMax: 5, answers: answers("R7a", "I1") },
  },
  {
    name: "what may have become a member is not waited for",
    breaks: "R8, R11c: while a change is not settled, acknowledgements and leases of both configurations count",
    edits: [{ file: "src/storage/group/term.ts", find: "...(this.pending?.members ?? [])", replace: "" }],
    caughtBy: { test: "test/storage/group/learner.test.ts", named: "X17:", answers: /^error: (.*I[259]:|expect\(|it does not)/ },
  },
  {
    name: "a change that nobody answered for is taken for done",
    breaks: "R8: unknown is settled only by a definite answer",
    edits: [{ file: "src/storage/configs.ts", find: 'case "unknown":', replace: 'case "unknown":\n        return { won: true, current: { config, revision: expectedRevision } };\n      default:' }],
    caughtBy: { seedsMax: 60, answers: answers("I1", "I2", "I3", "I4", "I9", DIFFER) },
  },
  {
    name: "the published death of an older instance counts",
    breaks: "R18: the grace may be skipped only for exactly the configuration's primaryInstance",
    edits: [{ file: "src/storage/group/propose.ts", find: "host.deadInstance(config.primary) >= config.primaryInstance) return true;", replace: "host.deadInstance(config.primary) > 0) return true;" }],
    caughtBy: { seedsMax: 60, answers: answers("I1", "I4", "I9") },
  },
  {
    name: "reads are served over writes in flight",
    breaks: "R2a: a read waits until no overlapping write is in flight",
    edits: [{ file: "src/storage/group/ranges.ts", find: 'if (extent.writes.some((write) => overlaps(write, range))) extent.waiting.push({ kind: "read", range, run: start });\n    else start();', replace: "start();" }],
    caughtBy: { test: "test/storage/group/interleavings-reads.test.ts", named: "X3:", answers: /^error: expect\(|I9:/ },
  },
  {
    name: "an overtaken read is answered",
    breaks: "R2c: a read that a write has overtaken is done again",
    edits: [{ file: "src/storage/group/commands.ts", find: "if (!reader.overtaken) return this.#answerRead(read, content);", replace: "if (reader.range) return this.#answerRead(read, content);" }],
    caughtBy: { test: "test/storage/group/reconcile.test.ts", named: "X2:", answers: /^error: expect\(/ },
  },
  {
    name: "operation ids are not remembered",
    breaks: "R16: a known operation gets its recorded answer and is not executed again",
    edits: [{ file: "src/storage/group/commands.ts", find: "if (image?.operations.get(gateway)?.has(number))", replace: "if (number < 0)" }],
    caughtBy: { test: "test/storage/group/compare-and-write.test.ts", named: "X18:", answers: /^error: expect\(/ },
  },
  {
    name: "late writes are taken",
    breaks: "R15 ii: a write stamped before the newest acknowledgement of a block that it touches is refused",
    edits: [{ file: "src/storage/group/late.ts", find: "return this.#acknowledged.after(range, stampMs) || this.#inTail(range, stampMs, nowMs);", replace: "return false;" }],
    caughtBy: { seedsMax: 60, answers: answers("I9") },
  },
  {
    name: "a learner applies writes to ranges that it lacks",
    breaks: "R9: live entries for a range that is not in sync are acknowledged and not applied",
    edits: [{ file: "src/storage/group/replica.ts", find: "skip: this.#learner.skip(entry)", replace: "skip: null" }],
    caughtBy: { test: "test/storage/group/learner.test.ts", named: "X20:", answers: /^error: expect\(/ },
  },
  {
    name: "manifests trust versions alone",
    breaks: "R9: two extents are the same when version and digest are equal",
    edits: [{ file: "src/storage/group/learner.ts", find: "sameId(own.version, extent.version) && own.digest === extent.digest", replace: "sameId(own.version, extent.version)" }],
    caughtBy: { test: "test/storage/group/learner.test.ts", named: "X20:", answers: /^error: expect\(/ },
  },
  {
    name: "a journal write counts as durable when the page cache has it",
    breaks: "section 1, I8: an entry is durable before it is acknowledged",
    edits: [{ file: "src/storage/drive/ring.ts", find: "dsync: true", replace: "dsync: false" }],
    caughtBy: { seedsMax: 60, answers: answers("I1", "I2", "I8", "I9", "R7", DIFFER) },
  },
  {
    name: "a failed sync is passed over",
    breaks: "fail-stop: what could not be written is the end of the process, since the kernel forgets it",
    edits: [{ file: "src/storage/drive/flush.ts", find: "await open.file.sync();\n        trailer.generation", replace: "await open.file.sync().catch(() => undefined);\n        trailer.generation" }],
    caughtBy: { test: "test/storage/group/fail-stop.test.ts", named: "the sync of an extent", answers: /^error: expect\(|fail-stop:/ },
  },
  {
    name: "checksums are not looked at",
    breaks: "I7: data whose checksum does not match is never returned",
    edits: [
      { file: "src/storage/drive/extent-read.ts", find: " || blockChecksum(content, range.lineage, base + block) !== checksums[i]", replace: "" },
      { file: "src/volume/blocks.ts", find: "if (sum === 0 ? !block.equals(ZERO_BLOCK) : blockChecksum(block, lineage, base + i) !== sum) return false;", replace: "" },
    ],
    caughtBy: { test: "test/storage/group/repair.test.ts", named: "R25: a read that meets a bad block", answers: /I7: block .* does not match its checksum/ },
  },
  {
    name: "credits are not spent",
    breaks: "R17: a primary spends what members granted before it assigns, or answers no-space with nothing journalled anywhere",
    edits: [{ file: "src/storage/space.ts", find: "this.#purse(channel).spent += blocks;", replace: "void blocks;" }],
    caughtBy: { test: "test/storage/group/full.test.ts", named: "R17, X33", answers: /^error: expect\(/ },
  },
];
