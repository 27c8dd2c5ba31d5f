import { describe, expect, test } from 'vitest';
import { matchPayments } from './match-payments.ts';

describe('matching payments to intents', () => {
  const a = { asset: 'eth', target: 'A', amount: 1n };
  const b = { asset: 'eth', target: 'B', amount: 2n };

  test('accepts the same payments in another order, equal ones counted', () => {
    expect(() => matchPayments([a, b, a], [b, a, a])).not.toThrow();
  });

  test.each([
    ['another destination', [a], [{ ...a, target: 'C' }], 'payment-mismatch'],
    ['another amount', [a], [{ ...a, amount: 2n }], 'payment-mismatch'],
    ['another asset', [a], [{ ...a, asset: 'usdc' }], 'payment-mismatch'],
    ['a payment too many', [a], [a, b], 'output-unaccounted'],
    ['one payment twice', [a], [a, a], 'output-unaccounted'],
    ['an intent unpaid', [a, b], [a], 'payment-missing'],
    ['two equal intents paid once', [a, a], [a], 'payment-missing'],
  ])('refuses %s', (_name, intents, payments, code) => {
    expect(() => matchPayments(intents, payments)).toThrow(expect.objectContaining({ code }));
  });
});
