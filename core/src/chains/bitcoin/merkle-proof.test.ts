import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseBitcoinHeader, workTarget } from './block-header.ts';
import { verifyMerkleProof } from './merkle-proof.ts';
import { parseBitcoinTransaction } from './parse-transaction.ts';
import { doubleSha256, hashToText } from './txid.ts';
import { u32le } from './wire.ts';

const easiest = '207fffff';
const refused = (code: string) => expect.objectContaining({ name: 'Failure', code });

function minedHeader(root: Uint8Array): string {
  for (let nonce = 0; ; nonce++) {
    const header = concatBytes(u32le(4), new Uint8Array(32), root, u32le(1), hexToBytes('ffff7f20'), u32le(nonce));
    if (BigInt(`0x${hashToText(doubleSha256(header))}`) <= workTarget(0x207fffff)) return bytesToHex(header);
  }
}

/** One input, one output, scripts of 4 bytes together: 64 bytes. */
const short = hexToBytes(
  `02000000${'01'}${'11'.repeat(32)}0000000000ffffffff${'01'}0000000000000000${'04'}51515151${'00'.repeat(4)}`,
);

test('a transaction of 64 bytes is refused, as leaf and as inner node (CVE-2017-12842)', () => {
  expect(short).toHaveLength(64);
  expect(() => parseBitcoinTransaction(bytesToHex(short))).toThrow(refused('transaction-malformed'));
  const [left, right] = [short.slice(0, 32), short.slice(32)];
  const header = minedHeader(doubleSha256(short));
  const proof = `${header}0200000002${bytesToHex(left)}${bytesToHex(right)}0105`;
  expect(() => verifyMerkleProof(proof, easiest)).toThrow('goes on below a transaction');
});

test('a block of one transaction is its own proof', () => {
  const leaf = new Uint8Array(32).fill(7);
  const proof = `${minedHeader(leaf)}0100000001${bytesToHex(leaf)}0101`;
  expect(verifyMerkleProof(proof, easiest).txids).toEqual(['07'.repeat(32)]);
  const unmatched = `${minedHeader(leaf)}0100000001${bytesToHex(leaf)}0100`;
  expect(verifyMerkleProof(unmatched, easiest).txids).toEqual([]);
});

test('transactions with and without witnesses have one txid, and coinbases are known', () => {
  const body = `${'22'.repeat(32)}0000000000fdffffff01e80300000000000000`;
  const plain = parseBitcoinTransaction(`0200000001${body}00000000`);
  const witnessed = parseBitcoinTransaction(`02000000000101${body}0102abcd00000000`);
  expect(witnessed).toEqual(plain);
  expect(plain).toMatchObject({
    isCoinbase: false,
    inputs: [{ vout: 0 }],
    outputs: [{ amountSats: 1_000n, script: '' }],
  });
  const coinbase = body.replace(`${'22'.repeat(32)}00000000`, `${'00'.repeat(32)}ffffffff`);
  expect(parseBitcoinTransaction(`02000000000101${coinbase}0102abcd00000000`).isCoinbase).toBe(true);
});

test('random and mutated bytes give nothing but refusals or proofs', () => {
  const leaf = new Uint8Array(32).fill(7);
  const good = `${minedHeader(leaf)}0100000001${bytesToHex(leaf)}0101`;
  const hex = fc.uint8Array({ maxLength: 120 }).map((bytes) => bytesToHex(bytes));
  const mutated = fc
    .tuple(fc.nat(good.length / 2), fc.nat(good.length / 2), hex)
    .map(([a, b, between]) => `${good.slice(0, 2 * a)}${between}${good.slice(2 * b)}`);
  const tailed = hex.map((tail) => good.slice(0, 160) + tail);
  fc.assert(
    fc.property(fc.oneof(fc.string(), hex, mutated, tailed), (text) => {
      for (const read of [verifyMerkleProof, parseBitcoinHeader, parseBitcoinTransaction]) {
        try {
          read(text, easiest);
        } catch (error) {
          expect(error).toMatchObject({ name: 'Failure' });
        }
      }
    }),
    { numRuns: 1_000 },
  );
});
