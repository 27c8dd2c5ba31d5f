import { encodeSegwit, witnessScript } from '@holdfast/core/chains/bitcoin/address.ts';
import { leafMerkleRoot } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import { taprootSighashes } from '@holdfast/core/chains/bitcoin/sighash.ts';
import { tapTweak } from '@holdfast/core/keys/tap-tweak.ts';
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { SigHash, Transaction } from '@scure/btc-signer';
import { RawOldTx } from '@scure/btc-signer/script.js';
import { describe, expect, test } from 'vitest';
import vectors from './data/bip-341.json' with { type: 'json' };

const rootOf = (hex: string | null): Uint8Array => hexToBytes(hex ?? '');
/** x-only keys stand for the point with an even y. */
const even = (xOnly: string): Uint8Array => concatBytes(Uint8Array.of(2), hexToBytes(xOnly));

describe.each(vectors.scriptPubKey)('BIP-341 output of $given.internalPubkey', ({ given, intermediary, expected }) => {
  test('has the published tweak, key, script and address', () => {
    const tap = tapTweak(even(given.internalPubkey), rootOf(intermediary.merkleRoot));
    expect(tap.tweakScalar.toString(16).padStart(64, '0')).toBe(intermediary.tweak);
    expect(bytesToHex(tap.outputKey.slice(1))).toBe(intermediary.tweakedPubkey);
    const program = { prefix: 'bc', version: 1, program: tap.outputKey.slice(1) };
    expect(bytesToHex(witnessScript(program))).toBe(expected.scriptPubKey);
    expect(encodeSegwit(program)).toBe(expected.bip350Address);
  });
});

const singleLeaves = vectors.scriptPubKey.flatMap(({ given, intermediary }) => {
  const leaf = given.scriptTree;
  return leaf && 'script' in leaf && leaf.leafVersion === 0xc0
    ? [{ script: leaf.script, root: intermediary.merkleRoot as string }]
    : [];
});

test.each(singleLeaves)('BIP-341 root of a tree with one leaf is $root', ({ script, root }) => {
  expect(bytesToHex(leafMerkleRoot(hexToBytes(script)))).toBe(root);
});

describe.each(vectors.keyPathSpending)('BIP-341 key path spending', ({ given, inputSpending }) => {
  const prevouts = given.utxosSpent.map((one) => ({ script: one.scriptPubKey, amountSats: BigInt(one.amountSats) }));

  test('our sighash of the default type is the published one', () => {
    const defaults = inputSpending.filter((one) => one.given.hashType === 0);
    expect(defaults).toHaveLength(1);
    const hashes = taprootSighashes(given.rawUnsignedTx, prevouts);
    for (const one of defaults)
      expect(bytesToHex(hashes[one.given.txinIndex] as Uint8Array)).toBe(one.intermediary.sigHash);
  });

  test('our sighashes of the default type agree with a second implementation for every input', () => {
    const tx = Transaction.fromRaw(hexToBytes(given.rawUnsignedTx), {
      allowUnknownOutputs: true,
      disableScriptCheck: true,
    });
    const scripts = prevouts.map((one) => hexToBytes(one.script));
    const amounts = prevouts.map((one) => one.amountSats);
    const hashes = taprootSighashes(given.rawUnsignedTx, prevouts).map((hash) => bytesToHex(hash));
    expect(hashes).toHaveLength(RawOldTx.decode(hexToBytes(given.rawUnsignedTx)).inputs.length);
    expect(hashes).toEqual(
      hashes.map((_, index) => bytesToHex(tx.preimageWitnessV1(index, scripts, SigHash.DEFAULT, amounts))),
    );
  });

  test.each(inputSpending)(
    'input $given.txinIndex is signed to the published witness',
    ({ given: input, intermediary, expected }) => {
      const signature = schnorr.sign(
        hexToBytes(intermediary.sigHash),
        hexToBytes(intermediary.tweakedPrivkey),
        new Uint8Array(32),
      );
      expect(bytesToHex(signature)).toBe(expected.witness[0]?.slice(0, 128));
      const spent = prevouts[input.txinIndex]?.script ?? '';
      const tap = tapTweak(even(intermediary.internalPubkey), rootOf(input.merkleRoot));
      expect(`5120${bytesToHex(tap.outputKey.slice(1))}`).toBe(spent);
    },
  );
});
