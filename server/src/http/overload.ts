import type { Scope } from '@holdfast/core/contract/route.ts';
import { Failure } from '@holdfast/core/failure.ts';

/** What the API takes at a time; what is over is refused before anything of it is done. */
export interface OverloadLimits {
  /** Requests answered at once, of all callers together. */
  readonly inFlightMax: number;
  /** Of one key, lasting. */
  readonly perSecond: number;
  /** Of one key, at once after a pause. */
  readonly burst: number;
}

export const overloadDefaults: OverloadLimits = { inFlightMax: 256, perSecond: 500, burst: 1_000 };

/** Stopping must be possible when nothing else is. */
const alwaysTaken: ReadonlySet<Scope> = new Set(['halts']);

/** A refusal with how long the caller should wait. */
class Refused extends Failure {
  readonly retryAfterS: number;

  constructor(code: 'rate-limited' | 'overloaded', message: string, retryAfterS: number) {
    super(code, message);
    this.retryAfterS = retryAfterS;
  }
}

/** Whole seconds for Retry-After (RFC 9110, section 10.2.3) of a failure that may pass. */
export const retryAfterS = (error: unknown): number => (error instanceof Refused ? error.retryAfterS : 1);

export interface Overload {
  /** @returns what to call when the request has been answered. @throws Failure overloaded. */
  enter(scope: Scope): () => void;
  /** Takes a token of the key's. @throws Failure rate-limited. */
  spend(keyId: string, scope: Scope): void;
}

/** @param now UTC milliseconds. */
export function overload(limits: OverloadLimits, now: () => number): Overload {
  let inFlight = 0;
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    enter(scope) {
      if (inFlight >= limits.inFlightMax && !alwaysTaken.has(scope)) {
        throw new Refused('overloaded', `${inFlight} requests are being answered`, 1);
      }
      inFlight++;
      let left = false;
      return () => {
        if (!left) inFlight--;
        left = true;
      };
    },
    spend(keyId, scope) {
      if (alwaysTaken.has(scope)) return;
      const nowMs = now();
      // Keys are configured: there are as many buckets at most.
      const bucket = buckets.get(keyId) ?? { tokens: limits.burst, atMs: nowMs };
      const gained = (Math.max(0, nowMs - bucket.atMs) * limits.perSecond) / 1_000;
      const tokens = Math.min(limits.burst, bucket.tokens + gained);
      if (tokens < 1) {
        buckets.set(keyId, { tokens, atMs: nowMs });
        const waitS = Math.ceil((1 - tokens) / limits.perSecond);
        throw new Refused('rate-limited', `key ${keyId} sent more than ${limits.perSecond} requests a second`, waitS);
      }
      buckets.set(keyId, { tokens: tokens - 1, atMs: nowMs });
    },
  };
}
