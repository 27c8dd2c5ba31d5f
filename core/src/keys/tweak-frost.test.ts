import type { FrostPublic, FrostSecret } from '@noble/curves/abstract/frost.js';
import { secp256k1, secp256k1_FROST } from '@noble/curves/secp256k1.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import { deriveChild, type GroupKey, type KeyPath } from './derive-child.ts';
import { frostTweak, tweakPublic, tweakSecret } from './tweak-frost.ts';

const { Point } = secp256k1;
const { Fn } = Point;
/** Without the blinding that a real secret deserves: core has no randomness. */
const publicOf = (scalar: bigint) => Uint8Array.from(Point.BASE.multiplyUnsafe(scalar).toBytes());

/** Keys of a 2-of-3 group whose polynomial is known: constant + slope * x. */
function groupOf(
  constant: bigint,
  slope: bigint,
): { frostPublic: FrostPublic; secrets: FrostSecret[]; group: GroupKey } {
  const secrets = [1, 2, 3].map((x) => ({
    identifier: secp256k1_FROST.Identifier.fromNumber(x),
    signingShare: Uint8Array.from(Fn.toBytes(Fn.add(constant, Fn.mul(slope, BigInt(x))))),
  }));
  const frostPublic = {
    signers: { min: 2, max: 3 },
    commitments: [publicOf(constant), publicOf(slope)],
    verifyingShares: Object.fromEntries(
      secrets.map((one) => [one.identifier, publicOf(Fn.fromBytes(one.signingShare))]),
    ),
  };
  return { frostPublic, secrets, group: { groupKey: publicOf(constant), chainCode: new Uint8Array(32).fill(9) } };
}

const groups = [
  { name: 'one', ...groupOf(0x1234_5678_9abcn, 0xdead_beefn) },
  { name: 'two', ...groupOf(Fn.ORDER - 77n, 3n ** 150n % Fn.ORDER) },
];
const leafRoot = new Uint8Array(32).fill(0x1e);
const paths: KeyPath[] = [
  [0, 0],
  [0, 1],
  [0, 2],
  [1, 3],
  [1, 4],
  [1, 0x7fff_ffff],
];

describe.each(groups)('group $name', ({ frostPublic, secrets, group }) => {
  test.each(paths)('has at %i/%i the group key moved by the scalar of the path', (branch, index) => {
    const child = deriveChild(group, [branch, index]);
    const moved = Point.fromBytes(group.groupKey).add(Point.BASE.multiplyUnsafe(child.tweakScalar));
    expect(moved.toHex()).toBe(bytesToHex(child.childKey));
  });

  test.each(paths)('has at %i/%i shares of the output key', (branch, index) => {
    const tweak = frostTweak(group, [branch, index], leafRoot);
    const tweakedPublic = tweakPublic(frostPublic, tweak);
    const shares = secrets.map((secret) => tweakSecret(secret, tweak));
    for (const secret of shares) {
      const verifying = tweakedPublic.verifyingShares[secret.identifier] as Uint8Array;
      expect(bytesToHex(publicOf(Fn.fromBytes(secret.signingShare)))).toBe(bytesToHex(verifying));
    }
    // Two points of a line give its value at 0: the secret of the output key.
    const [first, second] = shares.map((secret) => Fn.fromBytes(secret.signingShare)) as [bigint, bigint];
    const whole = publicOf(Fn.sub(Fn.mul(2n, first), second));
    expect(whole).toEqual(tweakedPublic.commitments[0]);
    expect(bytesToHex(whole.slice(1))).toBe(bytesToHex(tweak.outputKeyXOnly));
  });
});

test('the cases above cover internal and output keys of both parities', () => {
  const seen = groups.flatMap(({ frostPublic, group }) =>
    paths.map((path) => {
      const tweak = frostTweak(group, path, leafRoot);
      const outputIsOdd = tweakPublic(frostPublic, tweak).commitments[0]?.[0] === 3;
      return `${tweak.negate ? 'odd' : 'even'} inside, ${outputIsOdd ? 'odd' : 'even'} outside`;
    }),
  );
  expect(new Set(seen).size).toBe(4);
});

test('refuses a hardened index and keys of the wrong length', () => {
  const { group } = groups[0] as (typeof groups)[0];
  expect(() => deriveChild(group, [0, 0x8000_0000])).toThrow('unhardened');
  expect(() => deriveChild(group, [0, -1])).toThrow('unhardened');
  expect(() => deriveChild(group, [0, 1.5])).toThrow('unhardened');
  expect(() => deriveChild({ ...group, groupKey: group.groupKey.slice(1) }, [0, 0])).toThrow('33 bytes');
  expect(() => frostTweak(group, [0, 0], new Uint8Array(31))).toThrow('merkle root');
});
