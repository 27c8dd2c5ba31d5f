import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { segwitSighashes } from '@holdfast/core/chains/bitcoin/script-sighashes.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';

/** BIP-143, "P2SH-P2WSH": the 6-of-6 multisignature, its first signature, SIGHASH_ALL. P2SH changes nothing in what is signed. */
const rawTx =
  '010000000136641869ca081e70f394c6948e8af409e18b619df2ed74aa106c1ca29787b96e0100000000ffffffff0200e9a435000000001976a914389ffce9cd9ae88dcc0631e88a821ffdbe9bfe2688acc0832f05000000001976a9147480a33f950689af511e6e84c138dbbd3c3ee41588ac00000000';
const keys = [
  '0307b8ae49ac90a048e9b53357a2354b3334e9c8bee813ecb98e99a7e07e8c3ba3',
  '03b28f0c28bfab54554ae8c658ac5c3e0ce6e79ad336331f78c428dd43eea8449b',
  '034b8113d703413d57761b8b9781957b8c0ac1dfe69f492580ca4195f50376ba4a',
  '033400f6afecb833092a9a21cfdf1ed1376e58c5d1f47de74683123987e967a8f4',
  '03a6d48b1131e94ba04d9737d61acdaa1322008af9602b3b14862c07a1789aac16',
  '02d8b661b0b3302ee2f162b09e07a55ad5dfbe673a9f01d9f0c19617681024306b',
];
const witnessScript = hexToBytes(`56${keys.map((key) => `21${key}`).join('')}56ae`);
const signature =
  '304402206ac44d672dac41f9b00e28f4df20c52eeb087207e8d758d76d92c6fab3b73e2b0220367750dbbe19290069cba53d096f44530e4f98acaa594810388cf7409a1870ce';

test('a P2WSH input is hashed as BIP-143 hashes it, and its published signature verifies', () => {
  const [sighash] = segwitSighashes(inspectBitcoinTransaction(rawTx), [{ witnessScript, amountSats: 987_654_321n }]);
  expect(bytesToHex(sighash!)).toBe('185c0be5263dce5b4bb50a047973c1b6272bfbd0103a89444597dc40b248ee7c');
  const compact = secp256k1.Signature.fromHex(signature, 'der').toBytes('compact');
  expect(secp256k1.verify(compact, sighash!, hexToBytes(keys[0]!), { prehash: false })).toBe(true);
});

test('another amount or another script is another hash', () => {
  const tx = inspectBitcoinTransaction(rawTx);
  const of = (script: Uint8Array, amountSats: bigint): string =>
    bytesToHex(segwitSighashes(tx, [{ witnessScript: script, amountSats }])[0]!);
  const hashes = [
    of(witnessScript, 987_654_321n),
    of(witnessScript, 987_654_320n),
    of(witnessScript.slice(1), 987_654_321n),
  ];
  expect(new Set(hashes).size).toBe(3);
});
