import fc from 'fast-check';
import { expect, it } from 'vitest';
import { accountCodes } from './account-codes.ts';
import { pairSettlement } from './pair-settlement.ts';

const customer = (n: number): string => `cus_01890000-0000-7000-8000-00000000000${n}`;

it('moves what one gives to the one who gets', () => {
  const entries = [
    { customer: customer(1), asset: 'BTC', amount: '-5' },
    { customer: customer(2), asset: 'BTC', amount: '5' },
  ];
  expect(pairSettlement(entries, 'x')).toEqual([
    {
      idem: 'settlement/x/0',
      cause: 'settlement:x',
      debit: accountCodes.customer(customer(1), 'BTC'),
      credit: accountCodes.customer(customer(2), 'BTC'),
      amount: 5n,
    },
  ]);
});

it('refuses a batch that makes or burns money', () => {
  const entries = [
    { customer: customer(1), asset: 'BTC', amount: '-5' },
    { customer: customer(2), asset: 'BTC', amount: '6' },
  ];
  expect(() => pairSettlement(entries, 'x')).toThrow(expect.objectContaining({ code: 'settlement-invalid' }));
});

it('gives every customer exactly the sum of their entries', () => {
  const batch = fc
    .array(
      fc.tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom('BTC', 'ETH'), fc.integer({ min: 1, max: 1_000 })),
      {
        minLength: 1,
        maxLength: 20,
      },
    )
    .map((gives) =>
      gives.flatMap(([n, asset, amount], at) => [
        { customer: customer(n), asset, amount: String(-amount) },
        { customer: customer(((n + at) % 4) + 1), asset, amount: String(amount) },
      ]),
    );
  fc.assert(
    fc.property(batch, (entries) => {
      const got = new Map<string, bigint>();
      const add = (name: string, amount: bigint) => got.set(name, (got.get(name) ?? 0n) + amount);
      for (const { debit, credit, amount } of pairSettlement(entries, 'x')) {
        expect(amount).toBeGreaterThan(0n);
        add(debit, -amount);
        add(credit, amount);
      }
      for (const { customer: who, asset, amount } of entries) add(accountCodes.customer(who, asset), -BigInt(amount));
      expect([...got.values()].every((left) => left === 0n)).toBe(true);
    }),
  );
});
