/** A failed assertion is a bug, never an environment: the process exits and the cluster repairs. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/**
 * Throws `AssertionError` when `condition` is false. Asserts stay on in release.
 * `message` names the invariant when there is one, for example "I3: only a member becomes primary".
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
