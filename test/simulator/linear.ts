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
interface State {
  readonly value: number;
  /** Number of the event at which a plain write last took effect: what was called before may have gone unseen just before it. */
  readonly writtenAt: number;
  /** Pending operations that have taken effect. */
  readonly done: ReadonlySet<number>;
}

/** More states than any history of a correct register had; beyond it the checker says that it gives up rather than take for ever. */
const STATES_MAX = 20_000;

/** Null, or what is wrong. */
export function checkRegister(operations: readonly Operation[]): string | null {
  const seen = new Set<number>();
  let miscompares = false;
  for (const { kind, value, expected, miscompared } of operations) {
    if (kind === "read") seen.add(value);
    if (kind === "compare-and-write") seen.add(expected as number);
    miscompares ||= miscompared === true;
  }
  // What was not answered and never seen has left no trace: it makes no difference whether it happened.
  const told = operations.filter(({ kind, value, toMs }) => toMs !== Infinity || (kind !== "read" && (miscompares || seen.has(value))));
  const events: { readonly atMs: number; readonly isCall: boolean; readonly id: number; readonly operation: Operation }[] = [];
  told.forEach((operation, id) => {
    events.push({ atMs: operation.fromMs, isCall: true, id, operation });
    const endMs = operation.toMs === Infinity ? (operation.latestMs ?? Infinity) : operation.toMs;
    if (endMs !== Infinity) events.push({ atMs: endMs, isCall: false, id, operation });
  });
  // At one instant calls come first and what is given up comes last: that allows more, and nobody can tell which it was.
  const rank = ({ isCall, operation }: (typeof events)[number]): number => (isCall ? 0 : operation.toMs === Infinity ? 2 : 1);
  events.sort((a, b) => a.atMs - b.atMs || rank(a) - rank(b) || a.id - b.id);

  const pending = new Map<number, Pending>();
  let states: State[] = [{ value: 0, writtenAt: -1, done: new Set() }];
  for (const [number, { isCall, id, operation }] of events.entries()) {
    if (isCall) {
      pending.set(id, { operation, id, calledAt: number, certain: operation.toMs !== Infinity });
      states = distinct(states.map((state) => withObservers(state, pending)));
      continue;
    }
    const returning = pending.get(id) as Pending;
    const before = states;
    const after = states.flatMap((state) => returned(state, returning, pending, number));
    states = distinct(returning.certain ? after : [...states, ...after]);
    pending.delete(id);
    if (states.length === 0) return explain(operation, before, told);
    if (states.length > STATES_MAX) return `the checker gives up: more than ${STATES_MAX} states at ${operation.toMs.toFixed(1)}`;
    states = distinct(states.map((state) => (state.done.has(id) ? { ...state, done: without(state.done, id) } : state)));
  }
  return null;
}

/** All states after which `returning` has taken effect. */
function returned(from: State, returning: Pending, pending: ReadonlyMap<number, Pending>, number: number): State[] {
  const found: State[] = [];
  const visited = new Set<string>();
  const walk = (state: State): void => {
    const name = nameOf(state);
    if (visited.has(name)) return;
    visited.add(name);
    if (state.done.has(returning.id)) return void found.push(state);
    // It took effect just before another write, and nobody saw it.
    if (returning.operation.kind === "write" && returning.calledAt < state.writtenAt) found.push(state);
    for (const next of pending.values()) {
      if (state.done.has(next.id) || !(next === returning || wanted(next, state, pending))) continue;
      const after = apply(state, next, pending, number);
      if (after) walk(after);
    }
  };
  walk(from);
  return found;
}

/** Whether it may matter that this operation takes effect before the one that returns. */
function wanted(next: Pending, state: State, pending: ReadonlyMap<number, Pending>): boolean {
  const { kind, miscompared, value } = next.operation;
  if (kind === "read" || miscompared) return false;
  if (kind === "compare-and-write") return true;
  for (const { operation, id } of pending.values()) {
    if (state.done.has(id)) continue;
    if (operation.kind === "read" && operation.value === value) return true;
    if (operation.kind === "compare-and-write" && (operation.miscompared ? operation.expected !== value : operation.expected === value)) return true;
  }
  return false;
}

/** The operation takes effect now; null when it cannot have. */
function apply(state: State, next: Pending, pending: ReadonlyMap<number, Pending>, number: number): State | null {
  const { kind, value, expected, miscompared } = next.operation;
  if (kind === "read" || miscompared) return null;
  if (kind === "compare-and-write" && state.value !== expected) return null;
  const done = new Set(state.done).add(next.id);
  return withObservers({ value, writtenAt: kind === "write" ? number : state.writtenAt, done }, pending);
}

/** A pending operation that changes nothing and fits the value that there is takes effect at once: that never rules anything out. */
function withObservers(state: State, pending: ReadonlyMap<number, Pending>): State {
  let done: Set<number> | null = null;
  for (const { operation, id } of pending.values()) {
    if (state.done.has(id)) continue;
    const fits = operation.kind === "read" ? operation.value === state.value : operation.miscompared === true && operation.expected !== state.value;
    if (fits) (done ??= new Set(state.done)).add(id);
  }
  return done ? { ...state, done } : state;
}

function distinct(states: readonly State[]): State[] {
  if (states.length < 2) return [...states];
  return [...new Map(states.map((state) => [nameOf(state), state])).values()];
}
function nameOf({ value, writtenAt, done }: State): string {
  return `${value} ${writtenAt} ${done.size < 2 ? [...done][0] : [...done].sort((a, b) => a - b).join(",")}`;
}
function without(done: ReadonlySet<number>, id: number): ReadonlySet<number> {
  const left = new Set(done);
  left.delete(id);
  return left;
}

function explain(operation: Operation, states: readonly State[], told: readonly Operation[]): string {
  const around = told.filter((other) => other.fromMs <= operation.toMs && (other.toMs === Infinity || other.toMs >= operation.fromMs - 3000) || other.value === operation.value);
  const possible = [...new Set(states.map(({ value }) => value))].join(", ");
  return `${show(operation)} fits no order; before its answer the value was ${possible}; about then:\n${around.slice(-16).map((other) => `    ${show(other)}`).join("\n")}`;
}
export function show({ kind, value, expected, miscompared, fromMs, toMs, latestMs, label }: Operation): string {
  const what = kind === "compare-and-write" ? `compares with ${expected}${miscompared ? ": not equal" : `, writes ${value}`}` : kind === "read" ? `read ${value}` : value === 0 ? "unmap" : `write ${value}`;
  const end = toMs === Infinity ? `no answer${latestMs === undefined || latestMs === Infinity ? "" : `, in effect before ${latestMs.toFixed(1)} or never`}` : toMs.toFixed(1);
  return `${what} (${fromMs.toFixed(1)} .. ${end})${label === undefined ? "" : ` ${label}`}`;
}
