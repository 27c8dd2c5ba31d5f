import type { GroupKey, KeyPath } from '@holdfast/core/keys/derive-child.ts';
import { coldLeafScript, deriveWalletAddress } from '@holdfast/core/chains/bitcoin/derive-address.ts';
import { bitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { frostTweak, tweakPublic, tweakSecret } from '@holdfast/core/keys/tweak-frost.ts';
import type { FrostSecret } from '@noble/curves/abstract/frost.js';
import { schnorr, schnorr_FROST } from '@noble/curves/secp256k1.js';
import { shake256 } from '@noble/hashes/sha3.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { p2tr } from '@scure/btc-signer';
import { describe, expect, test } from 'vitest';
import { generateKeys, signWith } from '../support/frost.ts';

const chainCode = shake256(utf8ToBytes('chain code'), { dkLen: 32 });
const noScripts = new Uint8Array(0);
const leafRoot = shake256(utf8ToBytes('leaf'), { dkLen: 32 });
const message = shake256(utf8ToBytes('sighash'), { dkLen: 32 });
const coldKeys = ['a', 'b', 'c', 'd', 'e'].map((label) =>
  schnorr.getPublicKey(shake256(utf8ToBytes(label), { dkLen: 32 })),
);
const regtest = bitcoinParams('bip122:0f9188f13cb7b2c71f2a335e3a4fc328');
const groups = ['first', 'second'].map((name) => {
  const keys = generateKeys();
  const group: GroupKey = { groupKey: keys.frostPublic.commitments[0] as Uint8Array, chainCode };
  return { name, ...keys, group };
});
const paths: KeyPath[] = [
  [0, 0],
  [0, 1],
  [0, 2],
  [1, 3],
  [1, 0x7fff_ffff],
];
const quorums = [
  [0, 1],
  [0, 2],
  [1, 2],
  [2, 0],
  [0, 1, 2],
];

describe.each(groups)('$name key generation', ({ frostPublic, secrets, group }) => {
  const cases = paths.flatMap((path) =>
    [noScripts, leafRoot].map((root) => ({ path, root, scripts: root.length > 0 })),
  );

  test.each(cases)('every quorum signs for the output key at $path, scripts: $scripts', ({ path, root }) => {
    const tweak = frostTweak(group, path, root);
    const tweakedPublic = tweakPublic(frostPublic, tweak);
    const tweakedSecrets = secrets.map((secret) => tweakSecret(secret, tweak));
    for (const secret of tweakedSecrets)
      expect(() => schnorr_FROST.validateSecret(secret, tweakedPublic)).not.toThrow();
    for (const quorum of quorums) {
      const signature = signWith(
        tweakedPublic,
        quorum.map((i) => tweakedSecrets[i] as FrostSecret),
        message,
      );
      expect(schnorr.verify(signature, message, tweak.outputKeyXOnly)).toBe(true);
    }
  });

  test.each(paths)('the output key at %i/%i is the one a Bitcoin library computes', (branch, index) => {
    const tweak = frostTweak(group, [branch, index], noScripts);
    expect(bytesToHex(tweak.outputKeyXOnly)).toBe(bytesToHex(p2tr(tweak.childKey.slice(1)).tweakedPubkey));
  });

  test.each(paths)('the address at %i/%i with its cold leaf is the one a Bitcoin library computes', (branch, index) => {
    const derived = deriveWalletAddress({ ...group, coldKeys }, [branch, index], regtest);
    const reference = p2tr(
      derived.internalKey.slice(1),
      { script: coldLeafScript(coldKeys) },
      { ...regtest, wif: 0xef },
    );
    expect(derived.address).toBe(reference.address);
    expect(derived.script).toBe(bytesToHex(reference.script));
    expect(bytesToHex(derived.merkleRoot)).toBe(bytesToHex(reference.tapMerkleRoot as Uint8Array));
    expect(bytesToHex(derived.outputKey)).toBe(bytesToHex(reference.tweakedPubkey));
  });

  test('a share for another address does not make a signature', () => {
    const tweak = frostTweak(group, [0, 0], leafRoot);
    const other = frostTweak(group, [0, 1], leafRoot);
    const [first, second] = secrets as [FrostSecret, FrostSecret];
    const mixed = [tweakSecret(first, tweak), tweakSecret(second, other)];
    expect(() => signWith(tweakPublic(frostPublic, tweak), mixed, message)).toThrow('aggregation failed');
  });
});
