/**
 * The nonces seen within the signature window, so that a captured request is accepted once. It lives in memory: after
 * a restart a request that changes something is still caught by its Idempotency-Key, which the signature covers.
 */
export interface NonceWindow {
  /** @returns false when the nonce was used before and its request could still be valid. */
  accept(nonce: string, expiresMs: number, nowMs: number): boolean;
  size(): number;
}

export function nonceWindow(): NonceWindow {
  const expiryOf = new Map<string, number>();
  let nextSweepMs = 0;
  return {
    accept(nonce, expiresMs, nowMs) {
      if (nowMs >= nextSweepMs) {
        for (const [key, expiry] of expiryOf) if (expiry < nowMs) expiryOf.delete(key);
        nextSweepMs = nowMs + 10_000;
      }
      if (expiryOf.has(nonce)) return false;
      expiryOf.set(nonce, expiresMs);
      return true;
    },
    size: () => expiryOf.size,
  };
}
