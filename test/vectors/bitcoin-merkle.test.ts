import { parseBitcoinHeader } from '@holdfast/core/chains/bitcoin/block-header.ts';
import { verifyMerkleProof } from '@holdfast/core/chains/bitcoin/merkle-proof.ts';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';

const genesis =
  '0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c';
/** Block 100,000 of Bitcoin and its four transactions. */
const header =
  '0100000050120119172a610421a6c3011dd330d9df07b63616c2cc1f1cd00200000000006657a9252aacd5c0b2940996ecff952228c3067cc38d4885efb5a4ac4247e9f337221b4d4c86041b0f2b5710';
const hash = '000000000003ba27aa200b1cecaad478d2b00432346c3f1f3986da1afd33e506';
const txids = [
  '8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87',
  'fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4',
  '6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4',
  'e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d',
];
const easiest = '1d00ffff';
const leaf = (at: number): string => bytesToHex(hexToBytes(txids[at] ?? '').reverse());
const pair = (left: string, right: string): string =>
  bytesToHex(sha256(sha256(concatBytes(hexToBytes(left), hexToBytes(right)))));
/** A merkle block of BIP-37 written by hand. */
const proof = (hashes: readonly string[], flags: string, count = 4): string =>
  `${header}${count.toString(16).padStart(2, '0')}000000${hashes.length.toString(16).padStart(2, '0')}${hashes.join('')}01${flags}`;
const second = [leaf(0), leaf(1), pair(leaf(2), leaf(3))];

test('the genesis header hashes to its published hash and has work', () => {
  expect(parseBitcoinHeader(genesis, easiest)).toMatchObject({
    hash: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
    timeMs: 1_231_006_505_000,
  });
});

test('block 100,000 holds its transactions', () => {
  expect(verifyMerkleProof(proof(second, '0b'), easiest)).toMatchObject({ header: { hash }, txids: [txids[1]] });
  const all = verifyMerkleProof(proof([0, 1, 2, 3].map(leaf), '7f'), easiest);
  expect(all.txids).toEqual(txids);
});

describe('refuses', () => {
  test.each<[string, string]>([
    ['another leaf', proof([leaf(0), leaf(2), pair(leaf(2), leaf(3))], '0b')],
    ['leaves in another order', proof([leaf(1), leaf(0), pair(leaf(2), leaf(3))], '0b')],
    ['a hash too many', proof([...second, leaf(3)], '0b')],
    ['a hash too few', proof(second.slice(0, 2), '0b')],
    ['a flag too many', proof(second, '2b')],
    ['a byte of flags too many', proof(second, '0b00').replace('010b00', '020b00')],
    ['no transactions', proof([], '00', 0)],
    ['a repeated hash, CVE-2012-2459', proof([leaf(0), leaf(0), pair(leaf(2), leaf(3))], '0b')],
    ['too little work', proof(second, '0b').replace('4c86041b', 'ffff7f20')],
    ['a header that was changed', proof(second, '0b').replace('37221b4d', '38221b4d')],
    ['a target easier than the policy’s', proof(second, '0b')],
  ])('%s', (what, bytes) => {
    const bits = what.startsWith('a target') ? '1a00ffff' : easiest;
    expect(() => verifyMerkleProof(bytes, bits)).toThrow(expect.objectContaining({ code: 'node-proof-invalid' }));
  });

  test('what is cut short', () => {
    const whole = proof(second, '0b');
    for (let end = 0; end < whole.length; end += 2) {
      expect(() => verifyMerkleProof(whole.slice(0, end), easiest)).toThrow(
        expect.objectContaining({ code: 'transaction-malformed' }),
      );
    }
  });
});
