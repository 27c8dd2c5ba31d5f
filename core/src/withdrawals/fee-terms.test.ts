import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chargeFee, checkAmount, type FeeTerms, netOf, roundToPrecision } from './fee-terms.ts';

const terms: FeeTerms = {
  version: 1,
  feeFlat: 50n,
  feePerMille: 2,
  networkSharePerMille: 1500,
  networkFeeRateMax: null,
  withdrawalMinimum: 1_000n,
  depositMinimum: 0n,
  precision: 4,
};
const asset = { code: 'USDT', decimals: 6 };

describe('a fee', () => {
  it('is the flat part, the part of the amount and the part of the network’s fee, each rounded up', () => {
    expect(chargeFee(terms, 1_000n, 0n)).toBe(52n);
    expect(chargeFee(terms, 1_001n, 0n)).toBe(53n);
    expect(chargeFee(terms, 1_000n, 1n)).toBe(54n);
    expect(chargeFee({ ...terms, feeFlat: 0n, feePerMille: 0, networkSharePerMille: 0 }, 10n ** 30n, 9n)).toBe(0n);
  });

  it('leaves of a total the most that can be paid with it', () => {
    const flat = fc.bigInt({ min: 0n, max: 10n ** 12n });
    fc.assert(
      fc.property(
        flat,
        fc.integer({ min: 0, max: 1000 }),
        fc.bigInt({ min: 0n, max: 10n ** 24n }),
        (feeFlat, part, total) => {
          const own = { ...terms, feeFlat, feePerMille: part };
          const net = netOf(own, total, 7n);
          if (net > 0n) expect(net + chargeFee(own, net, 7n)).toBeLessThanOrEqual(total);
          expect(net + 1n + chargeFee(own, net + 1n, 7n)).toBeGreaterThan(total);
        },
      ),
    );
  });
});

describe('an amount', () => {
  it('may have the decimal places of the terms and no more', () => {
    checkAmount(terms, 1_000_100n, asset, '/amount');
    expect(() => checkAmount(terms, 1_000_110n, asset, '/amount')).toThrow(
      expect.objectContaining({ code: 'too-precise', pointer: '/amount' }) as Error,
    );
    checkAmount({ ...terms, precision: 30 }, 1_000_001n, asset, '/amount');
    expect(roundToPrecision(terms, 1_000_199n, 6)).toBe(1_000_100n);
  });

  it('is the minimum or more', () => {
    checkAmount(terms, 1_000n, asset, '/amount');
    expect(() => checkAmount(terms, 900n, asset, '/amount')).toThrow(
      expect.objectContaining({ code: 'below-minimum' }) as Error,
    );
  });
});
