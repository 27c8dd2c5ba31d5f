import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToNumberBE } from '@noble/curves/utils.js';
import { invariant } from '../invariant.ts';

const { Point } = secp256k1;
type Point = InstanceType<typeof Point>;
const oddPrefix = 3;

export interface TapTweak {
  /** 33 bytes, compressed; its x is what the P2TR output carries. */
  readonly outputKey: Uint8Array;
  /** The internal key has an odd y: BIP-341 takes its negation, so key shares are negated before the tweak is added. */
  readonly negate: boolean;
  /** t = hash_TapTweak(x(P) || merkleRoot). */
  readonly tweakScalar: bigint;
}

/**
 * BIP-341 `taproot_tweak_pubkey`: Q = lift_x(x(P)) + t*G.
 * @param internalKey 33 bytes, compressed; only its x goes into the tweak.
 * @param merkleRoot 32 bytes, or empty for an output without scripts.
 * @param point the internal key as a point, for who has it already.
 */
export function tapTweak(
  internalKey: Uint8Array,
  merkleRoot: Uint8Array,
  point: Point = Point.fromBytes(internalKey),
): TapTweak {
  invariant(internalKey.length === 33, 'internal key is 33 bytes');
  invariant(merkleRoot.length === 32 || merkleRoot.length === 0, 'merkle root is 32 bytes or empty');
  const negate = internalKey[0] === oddPrefix;
  const tweakScalar = bytesToNumberBE(schnorr.utils.taggedHash('TapTweak', internalKey.subarray(1), merkleRoot));
  // BIP-341: fail when t >= n; 0 would leave the key untweaked. Both have a probability below 2^-127.
  invariant(Point.Fn.isValidNot0(tweakScalar), 'no taproot tweak for this key');
  const output = (negate ? point.negate() : point).add(Point.BASE.multiplyUnsafe(tweakScalar));
  return { outputKey: output.toBytes(), negate, tweakScalar };
}
