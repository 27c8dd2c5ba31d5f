import type { Lie } from '@holdfast/devnet/proxy.ts';

/** Parts of a network's policy that proofs do not ask for. */
const limits = { per_transaction_max: '1', per_hour_max: '1', per_day_max: '1' };
export const assetRules = { limits, integrator_limits: limits, degraded_per_day_max: '0', approval_tiers: [] };

export type Change = (value: Record<string, unknown>) => unknown;

/** Lies about the object that a method answers. */
export const about =
  (wanted: string, change: Change): Lie =>
  (method, _params, result) =>
    method === wanted && typeof result === 'object' && result !== null
      ? change(result as Record<string, unknown>)
      : result;

export const lastDigit = (text: unknown): string => String(text).replace(/.$/, (digit) => (digit === '1' ? '2' : '1'));

/** What a refusal with this code looks like. */
export const code = (name: string) => ({ name: 'Failure', code: name });
