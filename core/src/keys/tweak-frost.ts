import type { FrostPublic, FrostSecret } from '@noble/curves/abstract/frost.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { deriveChild, type GroupKey, type KeyPath } from './derive-child.ts';
import { tapTweak } from './tap-tweak.ts';

const { Point } = secp256k1;

/** How a key of the group becomes the output key of one address: x -> (negate ? -x : x) + offset, keys and shares alike. */
export interface FrostTweak {
  readonly negate: boolean;
  readonly offset: bigint;
  /** 33 bytes: the internal key of the address. */
  readonly childKey: Uint8Array;
  /** 33 bytes, compressed: the key of the output. */
  readonly outputKey: Uint8Array;
  /** 32 bytes of it: the key that a BIP-340 signature for this address verifies under. */
  readonly outputKeyXOnly: Uint8Array;
}

/** Child derivation (BIP-32) and taproot tweak (BIP-341) folded into one affine map; depends on public data only. */
export function frostTweak(group: GroupKey, path: KeyPath, merkleRoot: Uint8Array): FrostTweak {
  const child = deriveChild(group, path);
  const tap = tapTweak(child.childKey, merkleRoot, child.point);
  const signed = tap.negate ? Point.Fn.neg(child.tweakScalar) : child.tweakScalar;
  return {
    negate: tap.negate,
    offset: Point.Fn.add(signed, tap.tweakScalar),
    childKey: child.childKey,
    outputKey: tap.outputKey,
    outputKeyXOnly: tap.outputKey.slice(1),
  };
}

/**
 * Public package of the group for one address. Sign and aggregate with it under `schnorr_FROST`; `frostPublic` is the
 * untweaked output of a key generation under `secp256k1_FROST` (the taproot suite's own key generation would already
 * have tweaked it).
 */
export function tweakPublic(frostPublic: FrostPublic, tweak: FrostTweak): FrostPublic {
  const shares = Object.entries(frostPublic.verifyingShares);
  const offset = shares.length > 0 ? Point.BASE.multiplyUnsafe(tweak.offset) : Point.ZERO;
  return {
    signers: frostPublic.signers,
    // The polynomial's constant term, the group key, moves by the offset to the output key, and so does every share; the
    // higher terms only change sign.
    commitments: frostPublic.commitments.map((bytes, degree) =>
      degree === 0 ? Uint8Array.from(tweak.outputKey) : signed(bytes, tweak),
    ),
    verifyingShares: Object.fromEntries(
      shares.map(([id, bytes]) => [id, Point.fromBytes(signed(bytes, tweak)).add(offset).toBytes()]),
    ),
  };
}

/** A compressed point or its negation, whose first byte alone differs: 2 for an even y, 3 for an odd one. */
function signed(point: Uint8Array, { negate }: FrostTweak): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(point);
  if (negate) bytes[0] = bytes[0] === 2 ? 3 : 2;
  return bytes;
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
