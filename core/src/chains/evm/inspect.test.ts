import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { baseUnits } from '../../money/base-units.ts';
import type { SafeTransaction } from '../../signing/messages.ts';
import { buildWithdrawalBatch, type WithdrawalLeg } from './build.ts';
import { inspectSafeTransaction } from './inspect.ts';

const safe = '0x3d9ebf620A74f13480e743Fb609D131076087f00';
const multiSend = '0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0';
const usdt = '0xa513E6E4b8f2a923D98304ec87F64353C4D5C853';
const usdc = '0x2279B7A0a67DB372996a5FaB50D91eAA73d2eBe6';
const alice = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
const bob = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359';
const zero = `0x${'0'.repeat(40)}`;
const rules = { safe, multiSend, guard: null, tokens: new Set([usdt, usdc]) };

const word = (value: bigint) => value.toString(16).padStart(64, '0');
const bare = (address: string) => address.slice(2).toLowerCase();
const transfer = (to = alice, amount = 6n) => `a9059cbb${'0'.repeat(24)}${bare(to)}${word(amount)}`;
const leg = (to: string, value: bigint, data = '', operation = '00', length = data.length / 2) =>
  `${operation}${bare(to)}${word(value)}${word(BigInt(length))}${data}`;
/** multiSend(bytes) written by hand, so that each part can be bent. */
const wrapped = (packed: string, bend: { offset?: bigint; length?: bigint; padding?: string } = {}) => {
  const padding = bend.padding ?? '0'.repeat((64 - (packed.length % 64)) % 64);
  return `0x8d80ff0a${word(bend.offset ?? 32n)}${word(bend.length ?? BigInt(packed.length / 2))}${packed}${padding}`;
};
const direct = (change: Partial<SafeTransaction> = {}): SafeTransaction => ({
  to: alice,
  value: '5',
  data: '0x',
  operation: 0,
  nonce: '0',
  ...change,
});
const batch = (data: string, change: Partial<SafeTransaction> = {}): SafeTransaction => ({
  to: multiSend,
  value: '0',
  data,
  operation: 1,
  nonce: '0',
  ...change,
});
const good = [leg(alice, 5n), leg(usdt, 0n, transfer(bob))];

const inspect = (tx: SafeTransaction) => inspectSafeTransaction(tx, rules).payments;
const refused = (code: 'transaction-malformed' | 'contract-not-allowed') => expect.objectContaining({ code });

test('reads direct payments and a batch', () => {
  expect(inspect(direct())).toEqual([{ contract: null, to: alice, amount: 5n }]);
  expect(inspect(direct({ to: usdc.toLowerCase(), value: '0', data: `0x${transfer()}` }))).toEqual([
    { contract: usdc, to: alice, amount: 6n },
  ]);
  expect(inspect(batch(wrapped(good.join(''))))).toEqual([
    { contract: null, to: alice, amount: 5n },
    { contract: usdt, to: bob, amount: 6n },
  ]);
});

test('an extra leg shows up as an extra payment', () => {
  expect(inspect(batch(wrapped([...good, leg(bob, 1n)].join(''))))).toHaveLength(3);
});

test('amounts reach the largest uint256', () => {
  const largest = (1n << 256n) - 1n;
  expect(inspect(direct({ to: usdt, value: '0', data: `0x${transfer(alice, largest)}` }))[0]?.amount).toBe(largest);
  expect(inspect(direct({ value: largest.toString() }))[0]?.amount).toBe(largest);
});

describe('bytes that cannot be accounted for are malformed', () => {
  const packed = good.join('');
  test.each<[string, SafeTransaction]>([
    ['a payment of nothing', direct({ value: '0' })],
    ['a value above uint256', direct({ value: (1n << 256n).toString() })],
    ['a negative value', direct({ value: '-5' })],
    ['the zero address', direct({ to: zero })],
    ['a wrong checksum', direct({ to: alice.replace('5aA', '5Aa') })],
    ['upper-case data', direct({ data: '0xAB' })],
    ['half a byte of data', direct({ data: '0xa' })],
    ['operation 2', direct({ operation: 2 as 0 })],
    ['value on a token call', direct({ to: usdt, value: '1', data: `0x${transfer()}` })],
    ['approve', direct({ to: usdt, value: '0', data: `0x095ea7b3${transfer().slice(8)}` })],
    ['transferFrom', direct({ to: usdt, value: '0', data: `0x23b872dd${transfer().slice(8)}${word(6n)}` })],
    ['a selector alone', direct({ to: usdt, value: '0', data: '0xa9059cbb' })],
    ['half a selector', direct({ to: usdt, value: '0', data: '0xa905' })],
    ['a transfer with a trailing byte', direct({ to: usdt, value: '0', data: `0x${transfer()}00` })],
    ['a transfer cut short', direct({ to: usdt, value: '0', data: `0x${transfer().slice(0, -2)}` })],
    ['a transfer to nobody', direct({ to: usdt, value: '0', data: `0x${transfer(zero)}` })],
    ['a transfer of nothing', direct({ to: usdt, value: '0', data: `0x${transfer(alice, 0n)}` })],
    [
      'dirty bits before the recipient',
      direct({ to: usdt, value: '0', data: `0x${transfer().replace('a9059cbb00', 'a9059cbb01')}` }),
    ],
    ['a batch without data', batch('0x')],
    ['a batch with another selector', batch(wrapped(packed).replace('8d80ff0a', '8d80ff0b'))],
    ['value on the batch', batch(wrapped(packed), { value: '1' })],
    ['another offset', batch(wrapped(packed, { offset: 64n }))],
    ['a length one short', batch(wrapped(packed, { length: BigInt(packed.length / 2) - 1n }))],
    ['a length one long', batch(wrapped(packed, { length: BigInt(packed.length / 2) + 1n }))],
    ['a length of zero', batch(wrapped(packed, { length: 0n }))],
    ['a length of 2^256-1', batch(wrapped(packed, { length: (1n << 256n) - 1n }))],
    ['a length of 2^256-31', batch(wrapped(packed, { length: (1n << 256n) - 31n }))],
    ['a whole word too many', batch(`${wrapped(packed)}${word(0n)}`)],
    ['a trailing byte', batch(`${wrapped(packed)}00`)],
    ['no padding', batch(wrapped(packed, { padding: '' }))],
    ['dirty padding', batch(wrapped(packed).replace(/00$/, '01'))],
    ['no leg', batch(wrapped(''))],
    ['a single leg', batch(wrapped(leg(alice, 5n)))],
    ['a leg of a delegatecall', batch(wrapped(leg(alice, 5n) + leg(usdt, 0n, transfer(), '01')))],
    ['a leg of operation 255', batch(wrapped(leg(alice, 5n) + leg(usdt, 0n, transfer(), 'ff')))],
    ['a leg to the zero address, which MultiSend reads as the Safe', batch(wrapped(leg(alice, 5n) + leg(zero, 5n)))],
    ['a leg of nothing', batch(wrapped(leg(alice, 5n) + leg(bob, 0n)))],
    ['a leg with value and a transfer', batch(wrapped(leg(alice, 5n) + leg(usdt, 1n, transfer())))],
    ['a leg cut inside its head', batch(wrapped(packed + leg(bob, 1n).slice(0, -2)))],
    ['a leg cut inside its data', batch(wrapped(leg(alice, 5n) + leg(usdt, 0n, transfer().slice(0, -2), '00', 68)))],
    ['a leg with 67 bytes of data', batch(wrapped(leg(alice, 5n) + leg(usdt, 0n, transfer().slice(0, -2))))],
    [
      'a leg with data of 2^256-1 bytes',
      batch(wrapped(leg(alice, 5n) + leg(usdt, 0n, transfer()).replace(word(68n), 'f'.repeat(64)))),
    ],
    ['a leg that approves', batch(wrapped(leg(alice, 5n) + leg(usdt, 0n, `095ea7b3${transfer().slice(8)}`)))],
  ])('%s', (_, tx) => {
    expect(() => inspect(tx)).toThrow(refused('transaction-malformed'));
  });
});

describe('contracts other than listed tokens and MultiSendCallOnly are not allowed', () => {
  const stranger = '0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb';
  const addOwner = `0d582f13${'0'.repeat(24)}${bare(alice)}${word(1n)}`;
  test.each<[string, SafeTransaction]>([
    ['an unknown token', direct({ to: stranger, value: '0', data: `0x${transfer()}` })],
    ['an unknown token in a batch', batch(wrapped(leg(alice, 5n) + leg(stranger, 0n, transfer())))],
    ['a delegatecall of something else', batch(wrapped(good.join('')), { to: stranger })],
    ['a delegatecall of a token', batch(`0x${transfer()}`, { to: usdt })],
    ['a delegatecall of the Safe', batch(wrapped(good.join('')), { to: safe })],
    ['MultiSend as a plain call', batch(wrapped(good.join('')), { operation: 0 })],
    ['a call of the Safe', direct({ to: safe, value: '0', data: `0x${addOwner}` })],
    ['a transfer-shaped call of the Safe in a batch', batch(wrapped(leg(alice, 5n) + leg(safe, 0n, transfer())))],
    ['a nested multiSend', batch(wrapped(leg(alice, 5n) + leg(multiSend, 0n, transfer())))],
    ['coins to a token', direct({ to: usdt })],
    ['coins to MultiSend', direct({ to: multiSend })],
    ['coins to the Safe', batch(wrapped(leg(alice, 5n) + leg(safe, 5n)))],
    ['tokens to their own contract', direct({ to: usdt, value: '0', data: `0x${transfer(usdt)}` })],
    ['tokens to the Safe', direct({ to: usdt, value: '0', data: `0x${transfer(safe)}` })],
    ['tokens to MultiSend', direct({ to: usdt, value: '0', data: `0x${transfer(multiSend)}` })],
  ])('%s', (_, tx) => {
    expect(() => inspect(tx)).toThrow(refused('contract-not-allowed'));
  });
});

const arbitraryAddress = fc
  .bigInt({ min: 2n ** 100n, max: 2n ** 160n - 1n })
  .map((value) => `0x${value.toString(16).padStart(40, '0')}`);
const arbitraryAmount = fc.bigInt({ min: 1n, max: 2n ** 256n - 1n }).map(baseUnits);
const arbitraryLegs = fc.array(
  fc.record({ contract: fc.constantFrom(null, usdt, usdc), to: arbitraryAddress, amount: arbitraryAmount }),
  { minLength: 1, maxLength: 8 },
);
const legOf = ({
  contract,
  to,
  amount,
}: {
  contract: string | null;
  to: string;
  amount: ReturnType<typeof baseUnits>;
}): WithdrawalLeg => (contract === null ? { kind: 'native', to, amount } : { kind: 'erc20', contract, to, amount });

test('reads back exactly what any batch was built of', () => {
  fc.assert(
    fc.property(arbitraryLegs, (legs) => {
      const tx = buildWithdrawalBatch({ legs: legs.map(legOf), nonce: 0n, multiSend });
      const lower = inspect(tx).map((payment) => ({ ...payment, to: payment.to.toLowerCase() }));
      expect(lower).toEqual(legs);
    }),
    { seed: 7, numRuns: 200 },
  );
});

test('no changed byte of a batch passes as the same payments', () => {
  const legs = [
    { contract: null, to: alice, amount: baseUnits(5n) },
    { contract: usdt, to: bob, amount: baseUnits(6n) },
  ];
  const tx = buildWithdrawalBatch({ legs: legs.map(legOf), nonce: 0n, multiSend });
  let refusals = 0;
  for (let at = 2; at < tx.data.length; at += 2) {
    for (const flip of [1, 0x80]) {
      const byte = (Number.parseInt(tx.data.slice(at, at + 2), 16) ^ flip).toString(16).padStart(2, '0');
      const changed = { ...tx, data: tx.data.slice(0, at) + byte + tx.data.slice(at + 2) };
      try {
        expect(inspect(changed)).not.toEqual(legs);
      } catch (error) {
        expect(error).toMatchObject({ name: 'Failure' });
        refusals++;
      }
    }
  }
  // Only the bytes of the two recipients and the two amounts are free to say something else.
  expect(refusals).toBeGreaterThanOrEqual((tx.data.length / 2 - 1 - 20 - 32 - 20 - 32) * 2);
});

describe('no input makes it throw anything but a refusal', () => {
  const seen = (tx: SafeTransaction): void => {
    try {
      inspect(tx);
    } catch (error) {
      expect(error).toMatchObject({ name: 'Failure' });
    }
  };
  const hex = (maxLength: number) =>
    fc.uint8Array({ maxLength }).map((bytes) => `0x${Buffer.from(bytes).toString('hex')}`);
  const anyTransaction = fc.record({
    to: fc.oneof(fc.string(), arbitraryAddress, fc.constantFrom(safe, multiSend, usdt, alice)),
    value: fc.oneof(fc.string(), fc.bigInt().map(String), fc.constant('0')),
    data: fc.oneof(
      fc.string(),
      hex(300),
      hex(300).map((data) => `0xa9059cbb${data.slice(2)}`),
      hex(300).map((data) => wrapped(data.slice(2))),
    ),
    operation: fc.constantFrom(0, 1, 2) as fc.Arbitrary<0 | 1>,
    nonce: fc.string(),
  });

  test('random transactions', () => {
    fc.assert(fc.property(anyTransaction, seen), { numRuns: 500 });
  });

  test('batches with bytes changed, cut out, doubled and moved', () => {
    const tx = buildWithdrawalBatch({
      legs: [null, usdt, usdc].map((contract) => legOf({ contract, to: alice, amount: baseUnits(5n) })),
      nonce: 0n,
      multiSend,
    });
    const bytes = tx.data.slice(2);
    fc.assert(
      fc.property(
        fc.nat(bytes.length / 2),
        fc.nat(bytes.length / 2),
        fc.uint8Array({ maxLength: 40 }),
        (a, b, between) => {
          const data = `0x${bytes.slice(0, 2 * a)}${Buffer.from(between).toString('hex')}${bytes.slice(2 * b)}`;
          seen({ ...tx, data });
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('with a guard', () => {
  const guard = '0x5FbDB2315678afecb367f032d93F642f64180aa3';
  const guarded = { ...rules, guard };
  const read = (tx: SafeTransaction) => inspectSafeTransaction(tx, guarded);
  const notAfter = (time = 1_800_000_000n) => `f11e333d${word(time)}`;
  const deadline = leg(guard, 0n, notAfter());

  test('a batch names its deadline first, a single payment too', () => {
    expect(read(batch(wrapped([deadline, ...good].join(''))))).toEqual({
      notAfterS: 1_800_000_000n,
      payments: [
        { contract: null, to: alice, amount: 5n },
        { contract: usdt, to: bob, amount: 6n },
      ],
    });
    const legs: WithdrawalLeg[] = [{ kind: 'native', to: alice, amount: baseUnits(5n) }];
    const built = buildWithdrawalBatch({ legs, nonce: 0n, multiSend, deadline: { guard, notAfterS: 1_800_000_000n } });
    expect(built).toEqual(batch(wrapped([deadline, good[0]].join(''))));
    expect(read(built)).toMatchObject({ notAfterS: 1_800_000_000n, payments: [{ to: alice }] });
  });

  test.each<[string, SafeTransaction]>([
    ['a call without a deadline', direct()],
    ['a batch without one', batch(wrapped(good.join('')))],
    ['a deadline that is not first', batch(wrapped([good[0], deadline].join('')))],
    ['a deadline and nothing else', batch(wrapped(deadline))],
    ['a deadline of another contract', batch(wrapped([leg(bob, 0n, notAfter()), ...good].join('')))],
    ['a deadline with value', batch(wrapped([leg(guard, 1n, notAfter()), ...good].join('')))],
    ['another function of the guard', batch(wrapped([leg(guard, 0n, `8456cb59${word(0n)}`), ...good].join('')))],
    ['a deadline cut short', batch(wrapped([leg(guard, 0n, notAfter().slice(2)), ...good].join('')))],
    ['two deadlines', batch(wrapped([deadline, deadline, ...good].join('')))],
  ])('%s is malformed', (_what, tx) => {
    expect(() => read(tx)).toThrow(refused('transaction-malformed'));
  });

  test('the guard is paid nothing', () => {
    expect(() => read(batch(wrapped([deadline, leg(guard, 1n)].join(''))))).toThrow(refused('contract-not-allowed'));
    expect(() => read(batch(wrapped([deadline, leg(usdt, 0n, transfer(guard))].join(''))))).toThrow(
      refused('contract-not-allowed'),
    );
  });
});
