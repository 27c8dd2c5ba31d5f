import { verifyHeader } from '@holdfast/core/chains/evm/verify-header.ts';
import { trieRoot } from '@holdfast/core/chains/evm/trie-root.ts';
import { verifyTransactions } from '@holdfast/core/chains/evm/verify-block-lists.ts';
import { emptyTrieRoot, verifyTrieProof } from '@holdfast/core/chains/evm/verify-trie-proof.ts';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stateTrie } from '../support/state-trie.ts';

/** ethereum/tests, TrieTests/trieanyorder.json. */
const vectors: [name: string, entries: Record<string, string>, root: string][] = [
  ['singleItem', { A: 'a'.repeat(50) }, 'd23786fb4a010da3ce639d66d5e904a11dbc02746d1ce25029e53290cabf28ab'],
  [
    'dogs',
    { doe: 'reindeer', dog: 'puppy', dogglesworth: 'cat' },
    '8aad789dff2f538bca5d8ea56e8abe10f4c7ba3a5dea95fea4cd6e7c3a1168d3',
  ],
  [
    'puppy',
    { do: 'verb', horse: 'stallion', doge: 'coin', dog: 'puppy' },
    '5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84',
  ],
  ['foo', { foo: 'bar', food: 'bass' }, '17beaa1648bafa633cda809c90c04af50fc8aed3cb40d16efbddee6fdf63c4c3'],
  [
    'smallValues',
    { be: 'e', dog: 'puppy', bed: 'd' },
    '3f67c7a47520f79faa29255d2d3c084a7a6df0453116ed7232ff10277a8be68b',
  ],
  ['testy', { test: 'test', te: 'testy' }, '8452568af70d8d140f58d941338542f645fcca50094b20f3c3d8c3df49337928'],
  [
    'hex',
    { '0x0045': '0x0123456789', '0x4500': '0x9876543210' },
    '285505fcabe84badc8aa310e2aae17eddc7d120aabec8a476902c8184b3a3503',
  ],
];
const bytes = (text: string): Uint8Array => (text.startsWith('0x') ? hexToBytes(text.slice(2)) : utf8ToBytes(text));

test.each(vectors)('trieanyorder %s has the published root, in any order', (_name, entries, root) => {
  const list = Object.entries(entries).map(([key, value]) => [bytes(key), bytes(value)] as const);
  expect(bytesToHex(trieRoot(list))).toBe(root);
  expect(bytesToHex(trieRoot(list.toReversed()))).toBe(root);
});

test('a trie of nothing has the published root', () => {
  expect(bytesToHex(trieRoot([]))).toBe(emptyTrieRoot);
  expect(verifyTrieProof(hexToBytes(emptyTrieRoot), bytes('dog'), [])).toBeNull();
});

const empty = `0x${emptyTrieRoot}`;
const zeros = (count: number): string => `0x${'0'.repeat(2 * count)}`;

test('the genesis header of Ethereum hashes to its published hash', () => {
  const hash = '0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3';
  const genesis = {
    hash,
    parentHash: zeros(32),
    sha3Uncles: '0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347',
    miner: zeros(20),
    stateRoot: '0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544',
    transactionsRoot: empty,
    receiptsRoot: empty,
    logsBloom: zeros(256),
    difficulty: '0x400000000',
    number: '0x0',
    gasLimit: '0x1388',
    gasUsed: '0x0',
    timestamp: '0x0',
    extraData: '0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa',
    mixHash: zeros(32),
    nonce: '0x0000000000000042',
  };
  expect(verifyHeader(genesis)).toMatchObject({ hash, number: 0, timeMs: 0 });
});

test('the first transaction of Ethereum gives the transactions root of its block, 46147', () => {
  const header = {
    hash: '0x4e3a3754410177e6937ef1f84bba68ea139e8d1a2258c5f85db9f1cd715a1bdd',
    transactionsRoot: '0x4513310fcb9f6f616972a3b948dc5d547f280849a87ebb5af0191f98b87be598',
    receiptsRoot: empty,
  };
  const first = {
    hash: '0x5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060',
    type: '0x0',
    nonce: '0x0',
    gas: '0x5208',
    gasPrice: '0x2d79883d2000',
    to: '0x5df9b87991262f6ba471f09758cde1c0fc1de734',
    value: '0x7a69',
    input: '0x',
    v: '0x1c',
    r: '0x88ff6cf0fefd94db46111149ae4bfc179e9b94721fffd821d38d16464b3f71d0',
    s: '0x45e0aff800961cfce805daef7016b9b675c137a6a41a548f7b60a3484c06a33a',
  };
  verifyTransactions(header, [first]);
  expect(() => verifyTransactions(header, [{ ...first, value: '0x7a6a' }])).toThrow('root');
});

const word = fc.uint8Array({ minLength: 32, maxLength: 32 });
/** Keys that share beginnings make extensions and deep branches. */
const key = fc.oneof(
  word,
  fc.uint8Array({ minLength: 2, maxLength: 2 }).map((tail) => Uint8Array.of(...new Uint8Array(30), ...tail)),
);
const entriesOf = fc.uniqueArray(fc.tuple(key, fc.uint8Array({ minLength: 1, maxLength: 40 })), {
  minLength: 1,
  maxLength: 24,
  selector: ([name]) => bytesToHex(name),
});
const nodesOf = (texts: readonly string[]): Uint8Array[] => texts.map(bytes);

test('every key of a trie is proven, and that any other is absent', () => {
  fc.assert(
    fc.property(entriesOf, key, (entries, other) => {
      const trie = stateTrie(entries);
      expect(bytesToHex(trieRoot(entries))).toBe(bytesToHex(trie.root));
      for (const [name, value] of entries) {
        expect(verifyTrieProof(trie.root, name, nodesOf(trie.prove(name)))).toEqual(value);
      }
      const own = entries.find(([name]) => bytesToHex(name) === bytesToHex(other));
      expect(verifyTrieProof(trie.root, other, nodesOf(trie.prove(other)))).toEqual(own?.[1] ?? null);
    }),
    { numRuns: 100 },
  );
});

test('a proof with any byte changed, or for another key, gives a refusal or the truth', () => {
  fc.assert(
    fc.property(
      entriesOf,
      key,
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (entries, other, at, place, flip) => {
        const trie = stateTrie(entries);
        const [[name, value]] = entries as [[Uint8Array, Uint8Array]];
        const nodes = nodesOf(trie.prove(name));
        const node = nodes[at % nodes.length] as Uint8Array;
        node[place % node.length] = (node[place % node.length] as number) ^ flip;
        const own = entries.find(([one]) => bytesToHex(one) === bytesToHex(other))?.[1] ?? null;
        for (const [asked, truth] of [
          [name, value],
          [other, own],
        ] as const) {
          try {
            expect(verifyTrieProof(trie.root, asked, nodes)).toEqual(truth);
          } catch (error) {
            expect(error).toMatchObject({ name: 'Failure', code: 'node-proof-invalid' });
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});
