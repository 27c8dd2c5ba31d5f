import { createHash } from 'node:crypto';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';

export interface StoredResponse {
  readonly status: number;
  readonly body: unknown;
}

/** Whose key: two callers may choose the same text. */
export interface IdempotencyKey {
  readonly keyId: string;
  readonly key: string;
}

/** What is remembered about a key. */
export interface RememberedRequest {
  readonly fingerprint: string;
  /** Null when the request had not ended, or not certainly, when its process last wrote. */
  readonly response: StoredResponse | null;
}

export interface IdempotencyStore {
  /** Remembers the request under the key, unless the key is known: then what is known is returned, null otherwise. */
  begin(key: IdempotencyKey, fingerprint: string): Promise<RememberedRequest | null>;
  complete(key: IdempotencyKey, response: StoredResponse): Promise<void>;
  release(key: IdempotencyKey): Promise<void>;
}

export interface IdempotentRunner {
  /**
   * Runs `operation` once for a key and remembers its response.
   * @throws Failure idempotency-key-reused, idempotency-in-flight, or what the operation throws.
   */
  run(
    key: IdempotencyKey,
    fingerprint: string,
    operation: () => Promise<StoredResponse>,
  ): Promise<StoredResponse & { replayed: boolean }>;
}

/** SHA-256 over method, path with query, and body: what makes two requests the same. */
export function requestFingerprint(method: string, target: string, body: Uint8Array): string {
  return createHash('sha256').update(`${method}\0${target}\0`).update(body).digest('hex');
}

/**
 * The rules, and what is left by a process killed at each point:
 * - before begin: nothing; the retry is the first request.
 * - after begin, before or after the operation's own commit: a row without response. No process is running it (the
 *   in-flight set died), so the retry runs the operation again; it is idempotent by its client_reference and returns
 *   the resource that exists.
 * - after complete: the retry replays.
 * A 4xx Failure changed nothing and frees the key. Any other error keeps the row without response: the outcome is
 * open, the same request may run again, another body may not take the key.
 */
export function idempotentRunner(store: IdempotencyStore): IdempotentRunner {
  const inFlight = new Map<string, string>();
  return {
    async run(key, fingerprint, operation) {
      const name = `${key.keyId}\0${key.key}`;
      const running = inFlight.get(name);
      if (running !== undefined) {
        throw running === fingerprint
          ? new Failure('idempotency-in-flight', 'the first request with this Idempotency-Key has not ended')
          : reused();
      }
      inFlight.set(name, fingerprint);
      try {
        const known = await store.begin(key, fingerprint);
        if (known !== null && known.fingerprint !== fingerprint) throw reused();
        if (known?.response) return { ...known.response, replayed: true };
        const response = await operation().catch(async (error: unknown) => {
          // If the row cannot be removed it stays without response, and the same request may still run again.
          if (changedNothing(error)) await store.release(key).catch(() => undefined);
          throw error;
        });
        await store.complete(key, response);
        return { ...response, replayed: false };
      } finally {
        inFlight.delete(name);
      }
    },
  };
}

function reused(): Failure {
  return new Failure('idempotency-key-reused', 'this Idempotency-Key was used with another request');
}

function changedNothing(error: unknown): boolean {
  if (!(error instanceof Failure)) return false;
  const { status } = errorRow(error.code);
  return status >= 400 && status < 500;
}
