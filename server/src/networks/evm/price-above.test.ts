import { hexToBytes } from '@noble/hashes/utils.js';
import { Transaction } from 'micro-eth-signer';
import { expect, test } from 'vitest';
import { priceAbove } from './price-above.ts';

const bytesAt = (maxFeePerGas: bigint, maxPriorityFeePerGas: bigint): Uint8Array =>
  hexToBytes(
    Transaction.prepare({
      type: 'eip1559',
      chainId: 31_337n,
      nonce: 4n,
      to: `0x${'00'.repeat(19)}01`,
      value: 0n,
      data: '0x',
      gasLimit: 21_000n,
      maxFeePerGas,
      maxPriorityFeePerGas,
    })
      .signBy('01'.repeat(32))
      .toHex()
      .replace(/^0x/, ''),
  );

test('offers what it wants where nothing is to be replaced, at most the ceiling', () => {
  expect(priceAbove({ feePerGas: 100n, tip: 2n }, [], 1_000n)).toEqual({ feePerGas: 100n, tip: 2n });
  expect(priceAbove({ feePerGas: 100n, tip: 2n }, [], 90n)).toEqual({ feePerGas: 90n, tip: 2n });
});

test('offers more than a tenth above each earlier one in both prices', () => {
  const earlier = [bytesAt(800n, 1n), bytesAt(80n, 16n)];
  expect(priceAbove({ feePerGas: 100n, tip: 2n }, earlier, 10_000n)).toEqual({ feePerGas: 900n, tip: 18n });
  expect(priceAbove({ feePerGas: 2_000n, tip: 50n }, earlier, 10_000n)).toEqual({ feePerGas: 2_000n, tip: 50n });
  // Rounded up: a price of one wei is replaced by two.
  expect(priceAbove({ feePerGas: 5n, tip: 1n }, [bytesAt(4n, 1n)], 10n)).toEqual({ feePerGas: 5n, tip: 2n });
});

test('never offers more than the ceiling, and no tip above what is paid', () => {
  expect(priceAbove({ feePerGas: 100n, tip: 2n }, [bytesAt(800n, 800n)], 850n)).toEqual({ feePerGas: 850n, tip: 850n });
});
