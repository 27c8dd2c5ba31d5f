import type { BitcoinNetworkPolicy, MultisigWalletPolicy } from '@holdfast/core/policy/policy.ts';
import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { ownerKey } from '../keys/owner-key.ts';
import { createMultisigWallet } from './multisig-wallet.ts';
import type { WalletDeps } from './wallet.ts';

const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const signers = [1, 2, 3, 4].map((byte) => ownerKey(new Uint8Array(32).fill(byte)));
const ceremony = signers.slice(0, 3);
const keyOf = (at: number): string => bytesToHex(signers[at]!.publicKey);
const honest: MultisigWalletPolicy = {
  kind: 'wsh-sortedmulti',
  threshold: 2,
  keys: [keyOf(0), keyOf(1), keyOf(2)],
  chain_code: '5c'.repeat(32),
};

/** Script of the first deposit address, as a signer of the first three derives it under a policy. */
function scriptUnder(
  wallet: MultisigWalletPolicy | undefined,
  owners = ceremony.map(({ address }) => address),
): string {
  const policy = samplePolicy((changed) => {
    if (wallet) (changed.networks[1] as BitcoinNetworkPolicy).wallet = wallet;
  });
  const deps = { policies: { current: () => policy }, journal: { nowMs: () => 0 }, quorum: 2 } as unknown as WalletDeps;
  return createMultisigWallet(network, signers[0]!, owners, [], deps).depositScript(0);
}

test('the order of keys and the case of addresses say nothing', () => {
  expect(scriptUnder(honest)).toMatch(/^0020[0-9a-f]{64}$/);
  expect(scriptUnder({ ...honest, keys: honest.keys.toReversed() })).toBe(scriptUnder(honest));
  const lower = ceremony.map(({ address }) => address.toLowerCase());
  expect(scriptUnder(honest, lower)).toBe(scriptUnder(honest));
});

test.each<[string, MultisigWalletPolicy]>([
  ['names a stranger’s key', { ...honest, keys: [keyOf(0), keyOf(1), keyOf(3)] }],
  ['adds a stranger’s key', { ...honest, keys: [...honest.keys, keyOf(3)] }],
  ['leaves a signer out', { ...honest, keys: honest.keys.slice(0, 2) }],
  ['names one key twice', { ...honest, keys: [keyOf(0), keyOf(1), keyOf(1)] }],
  ['names a key that is no point', { ...honest, keys: [keyOf(0), keyOf(1), `02${'0'.repeat(63)}5`] }],
  ['asks for fewer signatures than the ceremony', { ...honest, threshold: 1 }],
  ['asks for more', { ...honest, threshold: 3 }],
])('no address is derived under a policy that %s', (_, wallet) => {
  expect(() => scriptUnder(wallet)).toThrow(expect.objectContaining({ code: 'chain-mismatch' }));
});

test('nor under one that names no such wallet', () => {
  expect(() => scriptUnder(undefined)).toThrow(expect.objectContaining({ code: 'invalid-request' }));
});
