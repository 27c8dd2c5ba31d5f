import { leafHash } from '@holdfast/core/audit/leaf-hash.ts';
import { createMerkleTree } from '@holdfast/core/audit/merkle-tree.ts';
import { verifyConsistency } from '@holdfast/core/audit/verify-consistency.ts';
import { verifyInclusion } from '@holdfast/core/audit/verify-inclusion.ts';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import vectors from './data/rfc-6962.json' with { type: 'json' };

const tree = createMerkleTree();
for (const leaf of vectors.leaves) tree.append(leafHash(hexToBytes(leaf)));

test('the root of the empty tree', () => expect(bytesToHex(tree.rootAt(0))).toBe(vectors.emptyRoot));

test.each(vectors.roots.map((root, at) => [at + 1, root] as const))('the root of %d leaves', (size, root) => {
  expect(bytesToHex(tree.rootAt(size))).toBe(root);
});

// The vectors count leaves from 1.
test.each(vectors.paths)('the path of leaf $leaf of $size', ({ leaf, size, path }) => {
  const proof = tree.inclusion(leaf - 1, size);
  expect(proof.map(bytesToHex)).toEqual(path);
  const entry = leafHash(hexToBytes(vectors.leaves[leaf - 1] ?? ''));
  expect(verifyInclusion({ leaf: entry, index: leaf - 1, size, proof, root: tree.rootAt(size) })).toBe(true);
});

test.each(vectors.proofs)('the consistency of $from and $to leaves', ({ from, to, proof }) => {
  expect(tree.consistency(from, to).map(bytesToHex)).toEqual(proof);
  const roots = { fromRoot: tree.rootAt(from), toRoot: tree.rootAt(to) };
  expect(verifyConsistency({ from, to, ...roots, proof: proof.map(hexToBytes) })).toBe(true);
});
