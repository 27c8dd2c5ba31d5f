import { deriveChild } from '@holdfast/core/keys/derive-child.ts';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { HDKey } from '@scure/bip32';
import { describe, expect, test } from 'vitest';
import vectors from './data/bip-32.json' with { type: 'json' };

describe.each(vectors.vectors)('BIP-32 seed $seed', ({ seed, chains }) => {
  test.each(chains)('derives $path', ({ path, xpub, xprv }) => {
    const key = HDKey.fromMasterSeed(hexToBytes(seed)).derive(path);
    expect(key.publicExtendedKey).toBe(xpub);
    expect(key.privateExtendedKey).toBe(xprv);
  });
});

test.each(vectors.invalid)('BIP-32 refuses an extended key: $reason', ({ key }) => {
  expect(() => HDKey.fromExtendedKey(key)).toThrow(
    /mismatch|bad point|zero depth|Invalid private key|Invalid checksum/,
  );
});

/** The published chains have single unhardened steps; below each of their keys ours must agree with the reference walk. */
describe.each(vectors.vectors.flatMap(({ chains }) => chains))('our own walk below $path of BIP-32', ({ xpub }) => {
  test.each([
    [0, 0],
    [0, 12_345],
    [1, 0x7fff_ffff],
  ] as const)('agrees at %i/%i', (branch, index) => {
    const parent = HDKey.fromExtendedKey(xpub);
    const { childKey } = deriveChild(
      { groupKey: parent.publicKey as Uint8Array, chainCode: parent.chainCode as Uint8Array },
      [branch, index],
    );
    const reference = parent.deriveChild(branch).deriveChild(index);
    expect(bytesToHex(childKey)).toBe(bytesToHex(reference.publicKey as Uint8Array));
  });
});
