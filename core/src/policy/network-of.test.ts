import { expect, test } from 'vitest';
import { assetPolicies, networkOf } from './network-of.ts';
import { samplePolicy } from './sample-policy.test-support.ts';

test('lists the assets of both families in one shape', () => {
  const policy = samplePolicy();
  const [ether, tether] = assetPolicies(networkOf(policy, 'eip155:31337'));
  expect([ether?.contract, tether?.code]).toEqual([null, 'USDT']);
  const bitcoin = assetPolicies(networkOf(policy, 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328'));
  expect(bitcoin).toHaveLength(1);
  expect(Object.keys(bitcoin[0]!).toSorted()).toEqual(Object.keys(ether!).toSorted());
  expect(bitcoin[0]).toMatchObject({ code: 'BTC', contract: null, limits: { per_transaction_max: '10000000000' } });
});

test('refuses a network that the policy does not have', () => {
  expect(() => networkOf(samplePolicy(), 'eip155:1')).toThrow(expect.objectContaining({ code: 'unknown-network' }));
});
