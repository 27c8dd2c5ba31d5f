import { frostKeyHash } from '@holdfast/core/keys/frost-key-hash.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { newestKey } from './newest-key.ts';

const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const session = 'ab'.repeat(16);
const seeds = [1, 2, 3].map((at) => new Uint8Array(32).fill(at));
const statementKeys = new Map(seeds.map((seed, at) => [`signer-${at + 1}`, bytesToHex(ed25519.getPublicKey(seed))]));
const all = [0, 1, 2];

function key(epoch: number, groupKey = `02${'11'.repeat(32)}`) {
  return {
    network,
    epoch,
    group_key: groupKey,
    chain_code: '22'.repeat(32),
    commitments: [groupKey, `03${'33'.repeat(32)}`],
    verifying_shares: all.map((at) => ({ identifier: `${'0'.repeat(63)}${at + 1}`, point: `02${'44'.repeat(32)}` })),
  };
}

/** The key with the word of these signers that they hold it. */
function reported(own: ReturnType<typeof key>, by: readonly number[] = all, made = { quorum: 2, signers: 3 }) {
  const statement = {
    version: 1 as const,
    network: own.network,
    epoch: own.epoch,
    session,
    transcript: '55'.repeat(32),
    key_hash: frostKeyHash({ session, ...made }, own),
  };
  const digest = statementDigest('key', statement);
  const signatures = by.map((at) => ({
    signer: `signer-${at + 1}`,
    signature: bytesToHex(ed25519.sign(digest, seeds[at]!)),
  }));
  return { ...own, record: { statement, signatures } };
}

const newest = (...reports: Parameters<typeof newestKey>[0]) =>
  newestKey(reports, network, { statementKeys, quorum: 2 });

test('is the latest that all signers have signed, whoever reports it', () => {
  expect(newest(key(1), reported(key(2)), reported(key(3)), reported(key(2)))).toEqual(key(3));
});

test.each<[string, Parameters<typeof newestKey>[0][number]]>([
  ['nobody signed', key(2)],
  ['one signer did not sign', reported(key(2), [0, 1])],
  ['one signer signed twice', { ...reported(key(2)), record: { ...reported(key(2)).record, signatures: twice() } }],
  ['the signers signed another one', { ...key(2, `02${'99'.repeat(32)}`), record: reported(key(2)).record }],
  ['the signers signed with another chain code', { ...reported(key(2)), chain_code: '66'.repeat(32) }],
  ['the signers signed for another epoch', { ...reported(key(2)), epoch: 3 }],
  ['the signers signed for another network', reported({ ...key(2), network: 'bip122:00' })],
  ['a smaller quorum would do for', reported(key(2), all, { quorum: 1, signers: 3 })],
])('is none that %s', (_name, report) => {
  expect(newest(key(1), report)).toBeNull();
});

function twice() {
  const { signatures } = reported(key(2)).record;
  return [signatures[0]!, signatures[1]!, { ...signatures[1]!, signer: 'signer-3' }];
}
