import { expect, test } from 'vitest';
import { compareBooks } from './compare-books.ts';

test('shows one base unit of difference in either direction, and an asset that one book lacks', () => {
  const ledger = new Map([
    ['BTC', 10n],
    ['ETH', 5n],
    ['USDT', 1n],
  ]);
  const engine = [
    { asset: 'BTC', liability: '11' },
    { asset: 'ETH', liability: '5' },
    { asset: 'USDC', liability: '-1' },
  ];
  expect(compareBooks(engine, ledger).map(({ asset, difference }) => [asset, difference])).toEqual([
    ['BTC', 1n],
    ['ETH', 0n],
    ['USDC', -1n],
    ['USDT', -1n],
  ]);
});

test('refuses a statement that names an asset twice', () => {
  const twice = { asset: 'BTC', liability: '1' };
  expect(() => compareBooks([twice, twice], new Map())).toThrow(expect.objectContaining({ code: 'statement-invalid' }));
});
