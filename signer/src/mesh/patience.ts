/** What a peer has signed and this signer cannot verify may be on its way for so long; then people have to look. */
const patienceMs = 600_000;

export interface Patience {
  /** Begins with the first call for the name. */
  readonly isOver: (name: string) => boolean;
  readonly forget: (name: string) => void;
  readonly names: () => string[];
}

/** @param monotonicMs a clock that is never set. */
export function createPatience(monotonicMs: () => number): Patience {
  const sinceMs = new Map<string, number>();
  const isOver = (name: string): boolean => {
    const began = sinceMs.get(name) ?? monotonicMs();
    sinceMs.set(name, began);
    return monotonicMs() - began >= patienceMs;
  };
  return { isOver, forget: (name) => void sinceMs.delete(name), names: () => [...sinceMs.keys()] };
}
