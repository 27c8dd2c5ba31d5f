import { expect, test } from 'vitest';
import { judgeListing, type ListingFacts } from './judge-listing.ts';

const contract = '0x00000000000000000000000000000000000000aA';
const token: NonNullable<ListingFacts['token']> = {
  codeHash: '0xab',
  isProxy: false,
  decimals: 6,
  symbol: 'USDT',
  transfer: { sent: '10000', arrived: '10000', returned: 'nothing' },
};
const good: ListingFacts = {
  asset: 'USDT',
  decimals: 6,
  caip19: `eip155:1/erc20:${contract}`,
  contract,
  policy: { code: 'USDT', contract: contract.toLowerCase() },
  tiers: [
    { below: 10n, confirmations: 2 },
    { below: null, confirmations: 4 },
  ],
  guardRoom: 1n,
  depositMinimum: 1n,
  withdrawalMinimum: 1n,
  collectionCost: 5n,
  token,
};
const coin: ListingFacts = {
  ...good,
  contract: null,
  token: null,
  depositMinimum: 5n,
  policy: { code: 'USDT', contract: null },
};

test('a sound token and a sound coin pass every check', () => {
  for (const facts of [good, coin]) expect(judgeListing(facts).filter(({ result }) => result !== 'ok')).toEqual([]);
});

test.each<[string, 'failed' | 'note', ListingFacts]>([
  ['policy', 'failed', { ...good, policy: null }],
  ['policy', 'failed', { ...good, policy: { code: 'USDT', contract: null } }],
  ['caip19', 'failed', { ...good, caip19: 'eip155:1/erc20:0x01' }],
  ['confirmations', 'failed', { ...good, tiers: good.tiers.toReversed() }],
  [
    'confirmations',
    'failed',
    {
      ...good,
      tiers: [
        { below: 1n, confirmations: 5 },
        { below: null, confirmations: 4 },
      ],
    },
  ],
  ['guard', 'failed', { ...good, guardRoom: 0n }],
  ['guard', 'failed', { ...good, guardRoom: 'paused' }],
  ['minimum', 'failed', { ...coin, depositMinimum: 4n }],
  ['minimum', 'note', { ...good, depositMinimum: 0n }],
  ['code', 'failed', { ...good, token: { ...token, codeHash: null } }],
  ['proxy', 'note', { ...good, token: { ...token, isProxy: true } }],
  ['decimals', 'failed', { ...good, token: { ...token, decimals: 18 } }],
  ['symbol', 'note', { ...good, token: { ...token, symbol: 'USDC' } }],
  ['transfer', 'failed', { ...good, token: { ...token, transfer: { sent: '1', arrived: '1', returned: 'false' } } }],
  [
    'fee on transfer',
    'failed',
    { ...good, token: { ...token, transfer: { sent: '100', arrived: '99', returned: 'true' } } },
  ],
])('%s: %s', (check, result, facts) => {
  const found = judgeListing(facts).filter((one) => one.result !== 'ok');
  expect(found).toMatchObject([{ check, result, fix: expect.stringMatching(/./) }]);
});
