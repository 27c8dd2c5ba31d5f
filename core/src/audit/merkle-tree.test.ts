import fc from 'fast-check';
import { expect, test } from 'vitest';
import { emptyRoot, leafHash, nodeHash } from './leaf-hash.ts';
import { createMerkleTree } from './merkle-tree.ts';
import { verifyConsistency } from './verify-consistency.ts';
import { verifyInclusion } from './verify-inclusion.ts';

const sizeMax = 600;
const leaves = Array.from({ length: sizeMax }, (_, at) => leafHash(Uint8Array.of(at % 256, Math.floor(at / 256))));
const tree = createMerkleTree();
for (const leaf of leaves) tree.append(leaf);

/** MTH word by word as RFC 6962, 2.1 defines it. */
function definition(list: readonly Uint8Array[]): Uint8Array {
  const [first] = list;
  if (first === undefined) return emptyRoot();
  if (list.length === 1) return first;
  let split = 1;
  while (split * 2 < list.length) split *= 2;
  return nodeHash(definition(list.slice(0, split)), definition(list.slice(split)));
}

const flipped = (hash: Uint8Array): Uint8Array => hash.map((byte, at) => (at === 7 ? byte ^ 1 : byte));
const place = fc
  .tuple(fc.integer({ min: 1, max: sizeMax }), fc.nat())
  .map(([size, seed]) => ({ size, index: seed % size, leaf: leaves[seed % size] as Uint8Array }));
const growth = fc
  .tuple(fc.integer({ min: 1, max: sizeMax }), fc.integer({ min: 1, max: sizeMax }))
  .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));
const consistencyOf = ({ from, to }: { from: number; to: number }) => ({
  from,
  to,
  fromRoot: tree.rootAt(from),
  toRoot: tree.rootAt(to),
  proof: tree.consistency(from, to),
});

test('every root is the one of the definition, whenever it is asked for', () => {
  const growing = createMerkleTree();
  for (let size = 0; size <= sizeMax; size++) {
    if (size > 0) growing.append(leaves[size - 1] as Uint8Array);
    const root = definition(leaves.slice(0, size));
    expect(growing.rootAt(size)).toEqual(root);
    expect(tree.rootAt(size)).toEqual(root);
  }
});

test('every inclusion proof holds, and every change of it is refused', () => {
  fc.assert(
    fc.property(place, fc.nat(), ({ size, index, leaf }, seed) => {
      const claim = { leaf, index, size, proof: tree.inclusion(index, size), root: tree.rootAt(size) };
      expect(verifyInclusion(claim)).toBe(true);
      const { proof } = claim;
      expect(proof.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
      const at = seed % Math.max(1, proof.length);
      const hostile = [
        { ...claim, leaf: flipped(leaf) },
        { ...claim, root: flipped(claim.root) },
        { ...claim, proof: [...proof, leaf] },
        { ...claim, index: size },
        { ...claim, index: -1 },
        { ...claim, index: index + 0.5 },
        { ...claim, leaf: leaf.subarray(1) },
      ];
      if (proof.length > 0) {
        hostile.push(
          { ...claim, proof: proof.map((hash, one) => (one === at ? flipped(hash) : hash)) },
          { ...claim, proof: proof.filter((_, one) => one !== at) },
        );
      }
      const other = seed % size;
      if (other !== index) hostile.push({ ...claim, index: other }, { ...claim, leaf: leaves[other] as Uint8Array });
      for (const one of hostile) expect(verifyInclusion(one)).toBe(false);
    }),
  );
});

test('a proof for one size does not hold for the root of another', () => {
  fc.assert(
    fc.property(place, fc.integer({ min: 1, max: sizeMax }), ({ size, index, leaf }, other) => {
      fc.pre(other !== size);
      const claim = { leaf, index, proof: tree.inclusion(index, size) };
      expect(verifyInclusion({ ...claim, size: other, root: tree.rootAt(other) })).toBe(false);
    }),
  );
});

test('every consistency proof holds, and every change of it is refused', () => {
  fc.assert(
    fc.property(growth, fc.nat(), (sizes, seed) => {
      const claim = consistencyOf(sizes);
      expect(verifyConsistency(claim)).toBe(true);
      const { proof, from, to } = claim;
      const at = seed % Math.max(1, proof.length);
      const hostile = [
        { ...claim, fromRoot: flipped(claim.fromRoot) },
        { ...claim, toRoot: flipped(claim.toRoot) },
        { ...claim, proof: [...proof, claim.toRoot] },
        { ...claim, from: to + 1 },
        { ...claim, from: from + 0.5 },
        { ...claim, from: 0 },
      ];
      if (proof.length > 0) {
        hostile.push(
          { ...claim, proof: proof.map((hash, one) => (one === at ? flipped(hash) : hash)) },
          { ...claim, proof: proof.filter((_, one) => one !== at) },
          { ...claim, from: to, to: from },
          { ...claim, proof: [] },
        );
      }
      for (const one of hostile) expect(verifyConsistency(one)).toBe(false);
    }),
  );
});

test('a log that was rewritten below its old end is not consistent with it', () => {
  fc.assert(
    fc.property(growth, fc.nat(), ({ from, to }, seed) => {
      const forged = createMerkleTree();
      for (const [at, leaf] of leaves.slice(0, to).entries()) forged.append(at === seed % from ? flipped(leaf) : leaf);
      const claim = { from, to, fromRoot: tree.rootAt(from), toRoot: forged.rootAt(to) };
      expect(verifyConsistency({ ...claim, proof: forged.consistency(from, to) })).toBe(false);
      expect(verifyConsistency({ ...claim, proof: tree.consistency(from, to) })).toBe(false);
    }),
    { numRuns: 30 },
  );
});

test('from the empty tree everything grew, without a proof', () => {
  expect(tree.consistency(0, 5)).toEqual([]);
  const claim = { from: 0, fromRoot: emptyRoot(), to: 5, toRoot: tree.rootAt(5), proof: [] };
  expect(verifyConsistency(claim)).toBe(true);
  expect(verifyConsistency({ ...claim, fromRoot: tree.rootAt(1) })).toBe(false);
  expect(verifyConsistency({ ...claim, proof: [tree.rootAt(1)] })).toBe(false);
});

test('sizes beyond 2^32, and those that only round to a power of two, are told apart', () => {
  const root = tree.rootAt(1);
  const claim = { fromRoot: root, toRoot: nodeHash(root, root), proof: [root] };
  expect(verifyConsistency({ ...claim, from: 2 ** 40, to: 2 ** 41 })).toBe(true);
  expect(verifyConsistency({ ...claim, from: 2 ** 50 + 1, to: 2 ** 51 })).toBe(false);
});

test('asks for what is not there are bugs', () => {
  for (const ask of [() => tree.rootAt(sizeMax + 1), () => tree.inclusion(3, 3), () => tree.consistency(4, 3)]) {
    expect(ask).toThrow(/among/);
  }
});
