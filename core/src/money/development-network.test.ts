import { expect, test } from 'vitest';
import { isDevelopmentNetwork } from './development-network.ts';

test('anvil and regtest are for development, nothing else is', () => {
  expect(['eip155:31337', 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328'].map(isDevelopmentNetwork)).toEqual([true, true]);
  const others = ['eip155:1', 'eip155:11155111', 'bip122:000000000019d6689c085ae165831e93', 'eip155:313370', ''];
  expect(others.filter(isDevelopmentNetwork)).toEqual([]);
});
