import type { FrostPublic, FrostSecret } from '@noble/curves/abstract/frost.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { deriveChild, type GroupKey, type KeyPath } from './derive-child.ts';
import { tapTweak } from './tap-tweak.ts';

const { Point } = secp256k1;
type Point = InstanceType<typeof Point>;

/** How a key of the group becomes the output key of one address: x -> (negate ? -x : x) + offset, keys and shares alike. */
export interface FrostTweak {
  readonly negate: boolean;
  readonly offset: bigint;
  /** 33 bytes: the internal key of the address. */
  readonly childKey: Uint8Array;
  /** 32 bytes: the key that a BIP-340 signature for this address verifies under. */
  readonly outputKeyXOnly: Uint8Array;
}

/** Child derivation (BIP-32) and taproot tweak (BIP-341) folded into one affine map; depends on public data only. */
export function frostTweak(group: GroupKey, path: KeyPath, merkleRoot: Uint8Array): FrostTweak {
  const child = deriveChild(group, path);
  const tap = tapTweak(child.childKey, merkleRoot);
  const signed = tap.negate ? Point.Fn.neg(child.tweakScalar) : child.tweakScalar;
  return {
    negate: tap.negate,
    offset: Point.Fn.add(signed, tap.tweakScalar),
    childKey: child.childKey,
    outputKeyXOnly: tap.outputKeyXOnly,
  };
}

/**
 * Public package of the group for one address. Sign and aggregate with it under `schnorr_FROST`; `frostPublic` is the
 * untweaked output of a key generation under `secp256k1_FROST` (the taproot suite's own key generation would already
 * have tweaked it).
 */
export function tweakPublic(frostPublic: FrostPublic, tweak: FrostTweak): FrostPublic {
  const offset = Point.BASE.multiplyUnsafe(tweak.offset);
  const signed = (bytes: Uint8Array): Point => {
    const point = Point.fromBytes(bytes);
    return tweak.negate ? point.negate() : point;
  };
  return {
    signers: frostPublic.signers,
    // The polynomial's constant term moves by the offset, so every share does; the higher terms only change sign.
    commitments: frostPublic.commitments.map((bytes, degree) =>
      degree === 0 ? signed(bytes).add(offset).toBytes() : signed(bytes).toBytes(),
    ),
    verifyingShares: Object.fromEntries(
      Object.entries(frostPublic.verifyingShares).map(([id, bytes]) => [id, signed(bytes).add(offset).toBytes()]),
    ),
  };
}

/** One signer's share for the address of `tweak`; use with the `tweakPublic` of the same tweak. */
export function tweakSecret(frostSecret: FrostSecret, tweak: FrostTweak): FrostSecret {
  const share = Point.Fn.fromBytes(frostSecret.signingShare);
  const signed = tweak.negate ? Point.Fn.neg(share) : share;
  return {
    identifier: frostSecret.identifier,
    signingShare: Uint8Array.from(Point.Fn.toBytes(Point.Fn.add(signed, tweak.offset))),
  };
}
