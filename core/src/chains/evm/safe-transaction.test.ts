import { bytesToHex } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import type { SafeTransaction } from '../../signing/messages.ts';
import { safeTransactionHash } from './safe-transaction.ts';

const safe = '0x3d9ebf620A74f13480e743Fb609D131076087f00';
const tx: SafeTransaction = {
  to: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
  value: '1',
  data: '0xabcd',
  operation: 0,
  nonce: '7',
};
const hashOf = (change: Partial<SafeTransaction> = {}, domain: { chainId?: bigint; safe?: string } = {}) =>
  bytesToHex(safeTransactionHash({ chainId: 31337n, safe, tx: { ...tx, ...change }, ...domain }));

test('every field, the chain and the Safe change the hash', () => {
  const hashes = [
    hashOf(),
    hashOf({ to: safe }),
    hashOf({ value: '2' }),
    hashOf({ data: '0xabce' }),
    hashOf({ operation: 1 }),
    hashOf({ nonce: '8' }),
    hashOf({}, { chainId: 1n }),
    hashOf({}, { safe: tx.to }),
  ];
  expect(new Set(hashes).size).toBe(hashes.length);
});

test('the letter case of addresses does not change the hash', () => {
  expect(hashOf({ to: tx.to.toLowerCase() }, { safe: safe.toLowerCase() })).toBe(hashOf());
});

test.each<Partial<SafeTransaction>>([
  { to: '0x12' },
  { value: '-1' },
  { value: '01' },
  { value: (1n << 256n).toString() },
  { nonce: '1.0' },
  { data: '0xABCD' },
  { data: '0xabc' },
  { data: 'abcd' },
])('%j is malformed', (change) => {
  expect(() => hashOf(change)).toThrow(expect.objectContaining({ code: 'transaction-malformed' }));
});
