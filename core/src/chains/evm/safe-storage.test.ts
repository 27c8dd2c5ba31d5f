import { expect, test } from 'vitest';
import { checkSafeStorage, safeProxyCodeHash, safeSlots } from './safe-storage.ts';
import type { ProvenAccount } from './verify-state-proof.ts';

const address = (digit: string): string => `0x${digit.repeat(40)}`;
const [a, b, c] = ['a', 'b', 'c'].map(address) as [string, string, string];
const policy = {
  safe: address('1'),
  safe_singleton: address('2'),
  safe_owners: [a, b, c],
  safe_threshold: 2,
  safe_guard: address('0'),
  safe_handler: address('3'),
  safe_modules: [] as string[],
};
const numbers = {
  singleton: BigInt(address('2')),
  count: 3n,
  threshold: 2n,
  nonce: 9n,
  guard: 0n,
  handler: BigInt(address('3')),
  moduleGuard: 0n,
};
/** Successors of the sentinel and of the owners, then of the modules. */
const account = (
  owners: readonly (string | bigint)[],
  modules: readonly bigint[] = [1n],
  change: Partial<typeof numbers> = {},
): ProvenAccount => ({
  nonce: 1n,
  balanceWei: 0n,
  codeHash: safeProxyCodeHash,
  values: [...Object.values({ ...numbers, ...change }), ...owners.map(BigInt), ...modules],
});
const refused = expect.objectContaining({ code: 'chain-mismatch' });

test('the Safe of the policy is accepted, in whatever order its owners stand', () => {
  expect(safeSlots(policy)).toHaveLength(7 + 4 + 1);
  expect(new Set(safeSlots(policy)).size).toBe(12);
  expect(checkSafeStorage(account([a, b, c, 1n]), policy)).toBe(9n);
  expect(checkSafeStorage(account([c, 1n, a, b]), policy)).toBe(9n);
});

test.each<[string, ProvenAccount]>([
  ['a stranger among the owners', account([address('d'), b, c, 1n])],
  ['a stranger behind the last owner', account([a, b, c, address('d')])],
  ['an owner that the list leaves out', account([a, b, 1n, 1n])],
  ['owners in a circle that never ends', account([a, b, c, a])],
  ['owners that are not listed', account([1n, b, c, 1n])],
  ['an empty list', account([0n, 0n, 0n, 0n])],
  ['a module', account([a, b, c, 1n], [BigInt(address('d'))])],
  ['no list of modules', account([a, b, c, 1n], [0n])],
  ['four owners', account([a, b, c, 1n], [1n], { count: 4n })],
  ['a lower threshold', account([a, b, c, 1n], [1n], { threshold: 1n })],
  ['a guard', account([a, b, c, 1n], [1n], { guard: 5n })],
  ['another handler', account([a, b, c, 1n], [1n], { handler: 5n })],
  ['a module guard', account([a, b, c, 1n], [1n], { moduleGuard: 5n })],
  ['another singleton', account([a, b, c, 1n], [1n], { singleton: 5n })],
  ['dirty bits above the singleton', account([a, b, c, 1n], [1n], { singleton: numbers.singleton + (1n << 160n) })],
  ['other code', { ...account([a, b, c, 1n]), codeHash: '00'.repeat(32) }],
])('%s is noticed', (_what, seen) => {
  expect(() => checkSafeStorage(seen, policy)).toThrow(refused);
});
