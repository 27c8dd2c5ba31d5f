import type { BitcoinNetworkPolicy, Policy } from '@holdfast/core/policy/policy.ts';
import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { emptyState } from '@holdfast/core/signing/journal-state.ts';
import { expect, test } from 'vitest';
import { network } from './key-generation.test-support.ts';
import { openKeyring } from './keyring.ts';

const ofSigners = samplePolicy((policy) => {
  const wallet = {
    kind: 'wsh-sortedmulti',
    threshold: 2,
    keys: ['02', '03', '04'],
    chain_code: '5c'.repeat(32),
  } as const;
  (policy.networks[1] as BitcoinNetworkPolicy).wallet = { ...wallet, keys: [...wallet.keys] };
});

/** Of a signer without keys. */
const keyringUnder = (policy: Policy) =>
  openKeyring({
    network,
    identifier: 1,
    quorum: 2,
    ceremony: 'ce'.repeat(32),
    peers: [],
    store: { list: () => [], open: () => null } as unknown as Parameters<typeof openKeyring>[0]['store'],
    journal: { state: emptyState(), append: async () => expect.unreachable() },
    policy: () => policy,
    judgeBuilds: async () => undefined,
    statements: { signer: 'signer-1', sign: () => '', holds: () => true },
  });

test('a wallet of the signers’ own keys has no key to make, whoever asks', () => {
  expect(keyringUnder(samplePolicy()).due()).toBe(1);
  const keyring = keyringUnder(ofSigners);
  expect(keyring.due()).toBeNull();
  for (const epoch of [1, 2])
    expect(() => keyring.generation(epoch)).toThrow(expect.objectContaining({ code: 'key-not-ordered' }));
  expect(keyring.report()).toEqual([]);
});
