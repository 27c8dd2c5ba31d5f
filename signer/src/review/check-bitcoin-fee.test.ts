import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { expect, test } from 'vitest';
import { bitcoinFeeBound, checkBitcoinFee } from './check-bitcoin-fee.ts';
import { bitcoinPolicyOf } from './review-context.ts';

const network = {
  ...bitcoinPolicyOf(samplePolicy(), 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328'),
  fee_rate_percent_max: 150,
  fee_rate_fallback_sat_vb: 10,
  fee_rate_max_sat_vb: 40,
  fee_max_sats: '5000',
};
const vsize = 117;
const passes = (rate: number, feeRateSatVb: number | null, evacuation = false): boolean => {
  const feeSats = BigInt(Math.ceil(rate * vsize));
  try {
    checkBitcoinFee({ feeSats, vsize, evacuation }, network, { feeRateSatVb });
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'fee-too-high' });
    return false;
  }
};

test.each([
  ['one and a half times the estimate', 30, 20, true],
  ['more', 30.1, 20, false],
  ['by the fallback without an estimate', 15, null, true],
  ['more than that', 15.1, null, false],
  ['the fixed rate, whatever the estimate', 40, 1_000, true],
  ['above it', 40.1, 1_000, false],
] as const)('%s', (_, rate, estimate, expected) => {
  expect(passes(rate, estimate)).toBe(expected);
});

test('an evacuation is bound by the fixed rate alone', () => {
  expect(passes(40, 1, true)).toBe(true);
  expect(passes(40.1, 1, true)).toBe(false);
});

test('a fee above the highest of one transaction is refused, but for an evacuation', () => {
  const wide = { ...network, fee_max_sats: '1000' };
  const paid = { feeSats: 1_001n, vsize };
  const facts = { feeRateSatVb: 40 };
  expect(() => checkBitcoinFee({ ...paid, evacuation: false }, wide, facts)).toThrow('1000 sats');
  expect(() => checkBitcoinFee({ ...paid, evacuation: true }, wide, facts)).not.toThrow();
});

test('what is charged for an unknown fee is the most that would pass', () => {
  expect(bitcoinFeeBound({ vsize, evacuation: false }, { ...network, fee_max_sats: '3000' })).toBe(3_000n);
  expect(bitcoinFeeBound({ vsize, evacuation: true }, network)).toBe(40n * BigInt(vsize));
  expect(bitcoinFeeBound({ vsize, evacuation: false }, { ...network, fee_max_sats: '999999' })).toBe(
    40n * BigInt(vsize),
  );
});
