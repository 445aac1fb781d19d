/**
 * Linearizability of one register, decided from what its clients saw. The value 0 is what it begins with and what an unmap leaves;
 * every other value is written once.
 *
 * The method is just-in-time linearization (Lowe 2017, after Wing and Gong): the calls and returns are gone through in their
 * order with the set of all states that the register may be in. A state is the register's value and which pending operations
 * have taken effect already. Only when an operation returns must it have taken effect, so only then is a choice made; and only
 * such pending writes are tried before it as somebody pending has seen. A write that nobody saw may have been overwritten at once.
 */
export interface Operation {
  readonly kind: "read" | "write" | "compare-and-write";
  /** Read: what was seen. Write: what is left behind, 0 for an unmap. Compare and write: what is left behind when it was equal. */
  readonly value: number;
  /** Compare and write: the value compared with. */
  readonly expected?: number;
  /** Compare and write: it answered that the register holds something else. */
  readonly miscompared?: boolean;
  readonly fromMs: number;
  /** When it was answered; Infinity when nobody knows whether it happened. */
  readonly toMs: number;
  /** Of one that was not answered: it takes effect until then or never. */
  readonly latestMs?: number;
  readonly label?: string;
}

interface Pending {
  readonly operation: Operation;
  readonly id: number;
  /** Number of the event of its call. */
  readonly calledAt: number;
  readonly certain: boolean;
}
/** What has been called and is not over. What was never answered can be much, and is found by the value that it leaves. */
class Open {
  readonly all = new Map<number, Pending>();
  readonly certain = new Map<number, Pending>();
  readonly lostWrites = new Map<number, Pending[]>();
  readonly lostSwaps = new Set<Pending>();
  /** Number of the last call of somebody who saw the value. */
  readonly lastSeenAt = new Map<number, number>();
  /** Values that somebody's compare and write expects, so that it may have to find them. */
  readonly expected = new Set<number>();
  /** Number of the last call of a compare and write that found something else. */
  miscomparedAt = -1;
  unmaps = false;
  miscompares = false;

  /** The value is there once at most. */
  once(value: number): boolean {
    return value !== 0 || !this.unmaps;
  }
  add(pending: Pending): void {
    const { operation, id, certain } = pending;
    this.all.set(id, pending);
    if (certain) this.certain.set(id, pending);
    else if (operation.kind === "compare-and-write") this.lostSwaps.add(pending);
    else {
      const like = this.lostWrites.get(operation.value) ?? [];
      like.push(pending);
      // The one whose time is over first is used up first.
      like.sort((a, b) => latest(a) - latest(b) || a.id - b.id);
      this.lostWrites.set(operation.value, like);
    }
  }
  /**
   * What may take effect just before any plain write, for good: a write of its own value that only reads have seen, all of which
   * wait for it by now, with those reads. Wherever else it takes effect, it could as well do so here, and nobody misses it there,
   * but for a later compare and write that found something else.
   */
  asides(number: number): readonly Aside[] {
    if (this.#asidesAt === number) return this.#asides;
    this.#asidesAt = number;
    this.#asides = [];
    if (this.miscomparedAt > number) return this.#asides;
    for (const { operation, id } of this.all.values()) {
      const { kind, value } = operation;
      if (kind !== "write" || value === 0 || this.expected.has(value) || !((this.lastSeenAt.get(value) ?? Infinity) <= number)) continue;
      const readers = [...this.certain.values()].filter(({ operation: other }) => (other.kind === "read" ? other.value === value : other.miscompared === true && other.expected !== value));
      this.#asides.push({ id, readers: readers.map((reader) => reader.id) });
    }
    return this.#asides;
  }
  #asidesAt = -1;
  #asides: Aside[] = [];
  remove(pending: Pending): void {
    const { operation, id } = pending;
    this.all.delete(id);
    this.certain.delete(id);
    this.lostSwaps.delete(pending);
    const like = this.lostWrites.get(operation.value);
    if (!like || pending.certain) return;
    like.splice(like.indexOf(pending), 1);
    if (like.length === 0) this.lostWrites.delete(operation.value);
  }
}
interface Aside {
  readonly id: number;
  readonly readers: readonly number[];
}
interface State {
  readonly value: number;
  /** Number of the event at which a plain write last took effect: what was called before may have gone unseen just before it. */
  readonly writtenAt: number;
  /** Pending operations that have taken effect. */
  readonly done: ReadonlySet<number>;
}

/** More states than any history of a correct register had (2,000 were passed once); beyond it the checker says that it gives up rather than take for ever. */
const STATES_MAX = 20000;

/** Finite, so that two of them can be compared. */
function latest({ operation }: Pending): number {
  return Math.min(operation.latestMs ?? Infinity, Number.MAX_VALUE);
}

/** Null, or what is wrong. */
export function checkRegister(operations: readonly Operation[]): string | null {
  /** When the last of those ended who may have seen the value. */
  const seenUntilMs = new Map<number, number>();
  let miscomparedUntilMs = -Infinity;
  for (const { kind, value, expected, miscompared, toMs } of operations) {
    if (kind === "write") continue;
    const saw = kind === "read" ? value : (expected as number);
    seenUntilMs.set(saw, Math.max(toMs, seenUntilMs.get(saw) ?? toMs));
    if (miscompared) miscomparedUntilMs = Math.max(miscomparedUntilMs, toMs);
  }
  const traceUntilMs = (value: number): number => Math.max(miscomparedUntilMs, seenUntilMs.get(value) ?? -Infinity);
  // What was not answered and never seen has left no trace: it makes no difference whether it happened.
  const told = operations.filter(({ kind, value, fromMs, toMs }) => toMs !== Infinity || (kind !== "read" && traceUntilMs(value) >= fromMs));
  const events: { readonly atMs: number; readonly isCall: boolean; readonly id: number; readonly operation: Operation }[] = [];
  told.forEach((operation, id) => {
    events.push({ atMs: operation.fromMs, isCall: true, id, operation });
    const endMs = operation.toMs === Infinity ? Math.min(operation.latestMs ?? Infinity, traceUntilMs(operation.value)) : operation.toMs;
    if (endMs !== Infinity) events.push({ atMs: endMs, isCall: false, id, operation });
  });
  // At one instant calls come first and what is given up comes last: that allows more, and nobody can tell which it was.
  const rank = ({ isCall, operation }: (typeof events)[number]): number => (isCall ? 0 : operation.toMs === Infinity ? 2 : 1);
  events.sort((a, b) => a.atMs - b.atMs || rank(a) - rank(b) || a.id - b.id);

  const pending = new Open();
  pending.miscompares = miscomparedUntilMs > -Infinity;
  for (const [number, { isCall, operation }] of events.entries()) {
    if (isCall && operation.miscompared) pending.miscomparedAt = number;
    if (operation.kind === "write" && operation.value === 0) pending.unmaps = true;
    if (operation.kind === "compare-and-write") pending.expected.add(operation.expected as number);
    if (isCall && operation.toMs !== Infinity && operation.kind !== "write" && !operation.miscompared) pending.lastSeenAt.set(operation.kind === "read" ? operation.value : (operation.expected as number), number);
  }
  let states: State[] = [{ value: 0, writtenAt: -1, done: new Set() }];
  for (const [number, { isCall, id, operation }] of events.entries()) {
    if (isCall) {
      pending.add({ operation, id, calledAt: number, certain: operation.toMs !== Infinity });
      states = states.map((state) => withObservers(state, pending));
      continue;
    }
    const returning = pending.all.get(id) as Pending;
    const before = states;
    const after = states.flatMap((state) => returned(state, returning, pending, number));
    states = returning.certain ? after : [...states, ...after];
    pending.remove(returning);
    if (states.length === 0) return explain(operation, before, told);
    states = best(states.map((state) => left(state, id, pending)), pending);
    if (states.length > STATES_MAX) return `the checker gives up: more than ${STATES_MAX} states at ${operation.toMs.toFixed(1)}`;
  }
  return null;
}

/** All states after which `returning` has taken effect. */
function returned(from: State, returning: Pending, open: Open, number: number): State[] {
  if (from.done.has(returning.id)) return [from];
  const found: State[] = [];
  const visited = new Set<string>();
  const walk = (state: State): void => {
    const name = nameOf(state);
    if (visited.has(name)) return;
    visited.add(name);
    if (state.done.has(returning.id)) return void found.push(state);
    if (mayHide(returning, state, open)) {
      found.push(state);
      // Nobody ever sees it: to leave it unseen rules nothing out.
      if (!open.miscompares && !open.lastSeenAt.has(returning.operation.value)) return;
    }
    for (const next of candidates(state, returning, open)) {
      const after = apply(state, next, open, number);
      if (after) walk(after);
    }
  };
  walk(from);
  return found;
}

/** Whether it can have taken effect just before another write, so that nobody saw it. */
function mayHide({ operation, calledAt }: Pending, state: State, open: Open): boolean {
  return operation.kind === "write" && calledAt < state.writtenAt && !(open.once(operation.value) && open.lastSeenAt.has(operation.value));
}

/** What may take effect next: the one that returns, and what others who are waiting may have seen before it. */
function candidates(state: State, returning: Pending, open: Open): Set<Pending> {
  const found = new Set<Pending>([returning, ...open.lostSwaps]);
  const wanted = new Set<number>();
  let others: number | null = null;
  const look = ({ operation, id }: Pending): void => {
    if (state.done.has(id)) return;
    if (operation.kind === "read") wanted.add(operation.value);
    else if (operation.miscompared) others = operation.expected as number;
    else if (operation.kind === "compare-and-write") wanted.add(operation.expected as number);
  };
  for (const pending of open.certain.values()) look(pending);
  for (const pending of open.lostSwaps) look(pending);
  for (const pending of open.certain.values()) {
    const { kind, value, miscompared } = pending.operation;
    if (kind === "compare-and-write" ? !miscompared : kind === "write" && (others !== null || wanted.has(value))) found.add(pending);
  }
  for (const value of others === null ? wanted : open.lostWrites.keys()) {
    const first = open.lostWrites.get(value)?.find(({ id }) => !state.done.has(id));
    if (first) found.add(first);
  }
  for (const pending of found) if (state.done.has(pending.id)) found.delete(pending);
  return found;
}

/** The operation takes effect now; null when it cannot have. */
function apply(state: State, next: Pending, open: Open, number: number): State | null {
  const { kind, value, expected, miscompared } = next.operation;
  if (kind === "read" || miscompared) return null;
  if (kind === "compare-and-write" && state.value !== expected) return null;
  // Somebody sees the old value later.
  if (open.once(state.value) && (open.lastSeenAt.get(state.value) ?? -1) > number) return null;
  const done = new Set(state.done).add(next.id);
  if (kind === "write")
    for (const { id, readers } of open.asides(number)) {
      if (done.has(id)) continue;
      done.add(id);
      for (const reader of readers) done.add(reader);
    }
  return withObservers({ value, writtenAt: kind === "write" ? number : state.writtenAt, done }, open);
}

/** A pending operation that changes nothing and fits the value that there is takes effect at once: that never rules anything out. */
function withObservers(state: State, open: Open): State {
  let done: Set<number> | null = null;
  for (const { operation, id } of open.certain.values()) {
    if (state.done.has(id)) continue;
    const fits = operation.kind === "read" ? operation.value === state.value : operation.miscompared === true && operation.expected !== state.value;
    if (fits) (done ??= new Set(state.done)).add(id);
  }
  return done ? { ...state, done } : state;
}

/** The state without what is over, and nothing in it that can make no difference any more. */
function left({ value, writtenAt, done }: State, id: number, open: Open): State {
  let hidden = -1;
  for (const { operation, calledAt, certain, id: other } of open.certain.values()) if (certain && operation.kind === "write" && calledAt < writtenAt && calledAt >= hidden && !done.has(other)) hidden = calledAt + 1;
  if (!done.has(id)) return { value, writtenAt: hidden, done };
  const rest = new Set(done);
  rest.delete(id);
  return { value, writtenAt: hidden, done: rest };
}

/** Without those from which nothing can come that cannot come from another, too. */
function best(states: readonly State[], open: Open): State[] {
  const kept: State[] = [];
  for (const state of states) {
    if (kept.some((other) => covers(other, state, open))) continue;
    for (let i = kept.length - 1; i >= 0; i -= 1) if (covers(state, kept[i] as State, open)) kept.splice(i, 1);
    kept.push(state);
  }
  return kept;
}
function covers(a: State, b: State, open: Open): boolean {
  if (a.value !== b.value || a.writtenAt < b.writtenAt) return false;
  // It has used up no more of what may happen or not, ...
  for (const id of a.done) if (!b.done.has(id) && !observes(open.all.get(id))) return false;
  // ... and answered as many who only look.
  for (const id of b.done) if (!a.done.has(id) && open.all.get(id)?.certain !== false) return false;
  return true;
}
function observes(pending: Pending | undefined): boolean {
  return pending !== undefined && (pending.operation.kind === "read" || pending.operation.miscompared === true);
}
function nameOf({ value, writtenAt, done }: State): string {
  return `${value} ${writtenAt} ${done.size < 2 ? [...done][0] : [...done].sort((a, b) => a - b).join(",")}`;
}

function explain(operation: Operation, states: readonly State[], told: readonly Operation[]): string {
  const values = new Set(states.map(({ value }) => value));
  const possible = [...values].join(", ");
  // Who sees the old value later says as much as what came before.
  const around = told.filter((other) => (other.fromMs <= operation.toMs && (other.toMs === Infinity || other.toMs >= operation.fromMs - 3000)) || other.value === operation.value || (other.kind === "read" && values.has(other.value)));
  return `${show(operation)} fits no order; before its answer the value was ${possible}; about then:\n${around.slice(-16).map((other) => `    ${show(other)}`).join("\n")}`;
}
export function show({ kind, value, expected, miscompared, fromMs, toMs, latestMs, label }: Operation): string {
  const what = kind === "compare-and-write" ? `compares with ${expected}${miscompared ? ": not equal" : `, writes ${value}`}` : kind === "read" ? `read ${value}` : value === 0 ? "unmap" : `write ${value}`;
  const end = toMs === Infinity ? `no answer${latestMs === undefined || latestMs === Infinity ? "" : `, in effect before ${latestMs.toFixed(1)} or never`}` : toMs.toFixed(1);
  return `${what} (${fromMs.toFixed(1)} .. ${end})${label === undefined ? "" : ` ${label}`}`;
}
