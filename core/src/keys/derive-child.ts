import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToNumberBE } from '@noble/curves/utils.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { invariant } from '../invariant.ts';

const { Point } = secp256k1;
const hardenedFrom = 0x8000_0000;

/** Public half of a wallet: the FROST group key and the chain code agreed at key generation. */
export interface GroupKey {
  /** 33 bytes, compressed SEC point. */
  readonly groupKey: Uint8Array;
  /** 32 bytes. Public knowledge: it hides which addresses belong together, it protects no funds. */
  readonly chainCode: Uint8Array;
}

/** Below the group key: branch 0 deposit addresses, branch 1 change; both steps unhardened. */
export type KeyPath = readonly [branch: number, index: number];

export interface ChildKey {
  /** 33 bytes, compressed: groupKey + tweakScalar * G. */
  readonly childKey: Uint8Array;
  /** The same as a point. */
  readonly point: InstanceType<typeof Point>;
  /** Sum of the left halves of each step, modulo the curve's order; what every key share adds. */
  readonly tweakScalar: bigint;
}

interface Node {
  readonly point: InstanceType<typeof Point>;
  /** 33 bytes: the point, compressed. */
  readonly key: Uint8Array;
  readonly code: Uint8Array;
  readonly tweakScalar: bigint;
}

/** The branches of a key: every address of a wallet is below one of two. */
const branches = new WeakMap<GroupKey, Map<number, Node>>();
const branchesMax = 16;

/**
 * BIP-32 CKDpub along an unhardened path. Only additions happen on the way, so a share of the group key becomes a share
 * of the child by adding `tweakScalar`. The branch is remembered with the object of the group key, whose bytes do not
 * change.
 * @throws InvariantError for an index out of 0..2^31-1 or a key of the wrong length.
 */
export function deriveChild(group: GroupKey, [branch, index]: KeyPath): ChildKey {
  const { key, point, tweakScalar } = step(branchOf(group, branch), index);
  return { childKey: key, point, tweakScalar };
}

function branchOf(group: GroupKey, branch: number): Node {
  const known = branches.get(group) ?? new Map<number, Node>();
  const found = known.get(branch);
  if (found) return found;
  const { groupKey, chainCode } = group;
  invariant(groupKey.length === 33 && chainCode.length === 32, 'group key is 33 bytes and chain code 32');
  const root = { point: Point.fromBytes(groupKey), key: groupKey, code: chainCode, tweakScalar: 0n };
  const node = step(root, branch);
  if (known.size < branchesMax) branches.set(group, known.set(branch, node));
  return node;
}

function step({ point, key, code, tweakScalar }: Node, index: number): Node {
  invariant(Number.isInteger(index) && index >= 0 && index < hardenedFrom, `not an unhardened index: ${index}`);
  const data = new Uint8Array(37);
  data.set(key);
  new DataView(data.buffer).setUint32(33, index);
  const digest = hmac(sha512, code, data);
  const added = bytesToNumberBE(digest.subarray(0, 32));
  // BIP-32: such an index is invalid and the next one is to be taken; its probability is below 2^-127.
  invariant(Point.Fn.isValidNot0(added), `BIP-32 has no child ${index}`);
  const child = point.add(Point.BASE.multiplyUnsafe(added));
  return {
    point: child,
    key: child.toBytes(),
    code: digest.slice(32),
    tweakScalar: Point.Fn.add(tweakScalar, added),
  };
}
