import type { Context } from '../context.ts';
import { forgetIdempotency } from '../store/idempotency.ts';

/** How long an Idempotency-Key is remembered. Later the client_reference still keeps a request from being done twice. */
const keptMs = 7 * 86_400_000;
const rowsPerPass = 1_000;

/** Removes Idempotency-Keys that are old. @returns how many. */
export function forgetIdempotencyKeys(ctx: Pick<Context, 'db' | 'now'>): Promise<number> {
  return forgetIdempotency(ctx.db, ctx.now() - keptMs, rowsPerPass);
}
