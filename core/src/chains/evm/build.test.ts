import { expect, test } from 'vitest';
import { baseUnits } from '../../money/base-units.ts';
import { buildWithdrawalBatch, encodeExecTransaction, encodeFlush, packSignatures } from './build.ts';

const multiSend = '0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0';
const token = '0xa513E6E4b8f2a923D98304ec87F64353C4D5C853';
const alice = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
const bob = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359';
const word = (value: bigint) => value.toString(16).padStart(64, '0');
const bare = (address: string) => address.slice(2).toLowerCase();

test('one leg is a direct call', () => {
  const native = { kind: 'native', to: alice, amount: baseUnits(5n) } as const;
  expect(buildWithdrawalBatch({ legs: [native], nonce: 3n, multiSend })).toEqual({
    to: alice,
    value: '5',
    data: '0x',
    operation: 0,
    nonce: '3',
  });
  const erc20 = { kind: 'erc20', contract: token, to: alice, amount: baseUnits(6n) } as const;
  expect(buildWithdrawalBatch({ legs: [erc20], nonce: 3n, multiSend })).toEqual({
    to: token,
    value: '0',
    data: `0xa9059cbb${'0'.repeat(24)}${bare(alice)}${word(6n)}`,
    operation: 0,
    nonce: '3',
  });
});

test('several legs are one delegatecall of multiSend, packed in their order', () => {
  const legs = [
    { kind: 'native', to: alice, amount: baseUnits(5n) },
    { kind: 'erc20', contract: token, to: bob, amount: baseUnits(6n) },
  ] as const;
  const transfer = `a9059cbb${'0'.repeat(24)}${bare(bob)}${word(6n)}`;
  const packed = `00${bare(alice)}${word(5n)}${word(0n)}` + `00${bare(token)}${word(0n)}${word(68n)}${transfer}`;
  const padding = '0'.repeat((64 - (packed.length % 64)) % 64);
  expect(buildWithdrawalBatch({ legs, nonce: 0n, multiSend })).toEqual({
    to: multiSend,
    value: '0',
    data: `0x8d80ff0a${word(32n)}${word(BigInt(packed.length / 2))}${packed}${padding}`,
    operation: 1,
    nonce: '0',
  });
});

test('nothing and a payment of nothing are bugs', () => {
  expect(() => buildWithdrawalBatch({ legs: [], nonce: 0n, multiSend })).toThrow('needs a leg');
  expect(() =>
    buildWithdrawalBatch({ legs: [{ kind: 'native', to: alice, amount: baseUnits(0n) }], nonce: 0n, multiSend }),
  ).toThrow('pays something');
  expect(() => encodeFlush([])).toThrow('nothing to flush');
});

test('signatures are packed in the order of their owners, whatever the letter case', () => {
  const low = { owner: `0x${'aB'.repeat(20)}`, signature: `${'11'.repeat(64)}1b` };
  const high = { owner: `0x${'Ac'.repeat(20)}`, signature: `${'22'.repeat(64)}1c` };
  expect(packSignatures([high, low])).toBe(`0x${low.signature}${high.signature}`);
  expect(packSignatures([low, high])).toBe(`0x${low.signature}${high.signature}`);
  expect(() => packSignatures([low, { ...high, owner: low.owner.toLowerCase() }])).toThrow('two signatures');
  expect(() => packSignatures([{ ...low, signature: `${'11'.repeat(64)}00` }])).toThrow('r s v');
});

test('execTransaction carries zero refund fields', () => {
  const tx = { to: alice, value: '5', data: '0x', operation: 0, nonce: '3' } as const;
  const signatures = packSignatures([{ owner: bob, signature: `${'11'.repeat(64)}1b` }]);
  const words = (encodeExecTransaction(tx, signatures).slice(10).match(/.{64}/g) ?? []).map((text) =>
    BigInt(`0x${text}`),
  );
  expect(words.slice(0, 10)).toEqual([BigInt(alice), 5n, 320n, 0n, 0n, 0n, 0n, 0n, 0n, 352n]);
  expect(encodeExecTransaction(tx, signatures).slice(0, 10)).toBe('0x6a761202');
});

test('flush pairs each salt with its token, the native coin as zero', () => {
  const salt = new Uint8Array(32).fill(7);
  const words = encodeFlush([
    { salt, token: null },
    { salt, token },
  ])
    .slice(10)
    .match(/.{64}/g);
  expect(words).toEqual([
    word(64n),
    word(160n),
    word(2n),
    '07'.repeat(32),
    '07'.repeat(32),
    word(2n),
    word(0n),
    `${'0'.repeat(24)}${bare(token)}`,
  ]);
});
