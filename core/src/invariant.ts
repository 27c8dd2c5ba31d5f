/** A broken promise of our own code. It is a bug: nothing catches it but the process's outermost handler. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/**
 * Asserts what the code around it guarantees; use it on both sides of a boundary.
 * @throws InvariantError with the message when `condition` is false.
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
