import { expect, test } from 'vitest';
import { confirmationsRequired } from './confirmations.ts';

const tiers = [
  { below: 100n, confirmations: 1 },
  { below: 1_000n, confirmations: 3 },
  { below: null, confirmations: 6 },
];

test.each([
  [1n, 1],
  [99n, 1],
  [100n, 3],
  [999n, 3],
  [1_000n, 6],
  [10n ** 77n, 6],
])('%i base units need %i confirmations: a tier ends below its bound', (amount, confirmations) => {
  expect(confirmationsRequired(tiers, amount)).toBe(confirmations);
});

test('an amount that no tier covers is a bug of the configuration, not a credit', () => {
  expect(() => confirmationsRequired(tiers.slice(0, 2), 1_000n)).toThrow('no confirmation tier for 1000');
  expect(() => confirmationsRequired([], 1n)).toThrow('no confirmation tier');
});
