import { describe, expect, test } from 'vitest';
import type { ScannedTransaction, ScannedTransfer } from '../chains/chain.ts';
import { accountCodes } from '../ledger/account-codes.ts';
import { baseUnits } from '../money/base-units.ts';
import type { Family } from '../money/network.ts';
import { type AddressOwner, type BlockState, decideBlock, type OwnTransaction, unreadSubject } from './decide-block.ts';

const evm = 'eip155:1';
const bitcoin = 'bip122:000000000019d6689c085ae165831e93';
const owners: Readonly<Record<string, AddressOwner>> = {
  ann: { kind: 'deposit', addressId: 'addr-ann', customerId: 'cus_ann' },
  ben: { kind: 'deposit', addressId: 'addr-ben', customerId: 'cus_ben' },
  vault: { kind: 'hot' },
  gas: { kind: 'relayer' },
  sealed: { kind: 'cold' },
};

const transfer = (
  direction: 'in' | 'out',
  address: string,
  amount: bigint,
  change: Partial<ScannedTransfer> = {},
): ScannedTransfer => ({
  index: `${direction}:${address}:${amount}`,
  asset: 'ETH',
  direction,
  address,
  amount: baseUnits(amount),
  ...change,
});
const transaction = (transfers: readonly ScannedTransfer[], refs: readonly string[] = []): ScannedTransaction => ({
  txid: '0xt',
  refs: ['tx:0xt', ...refs],
  transfers,
});

function decide(
  transactions: readonly ScannedTransaction[],
  own: readonly OwnTransaction[] = [],
  family: Family = 'evm',
) {
  const network = family === 'evm' ? evm : bitcoin;
  const state: BlockState = {
    network,
    family,
    nativeAsset: 'ETH',
    blockId: 7n,
    ownerOf: (address) => owners[address],
    ownByRef: new Map(own.flatMap((one) => one.refs.map((ref) => [ref, one] as const))),
    confirmationsFor: (_asset, amount) => (amount < 100n ? 1 : 5),
  };
  const changes = decideBlock({ height: 1, hash: 'h', parentHash: 'p', timeMs: 0, transactions }, state);
  return { ...changes, moves: changes.postings.map(({ debit, credit, amount }) => [debit, credit, amount] as const) };
}

const uncollected = accountCodes.uncollected(evm, 'ETH');
const unconfirmed = accountCodes.unconfirmed(evm, 'ETH');
const hot = accountCodes.hot(evm, 'ETH');
const inFlight = accountCodes.inFlight(evm, 'ETH');

describe('arrivals', () => {
  test('each transfer to a deposit address is a deposit with the confirmations of its own value', () => {
    const { deposits, moves, alarms } = decide([
      transaction([transfer('in', 'ann', 99n), transfer('in', 'ben', 100n), transfer('in', 'ann', 1n)]),
    ]);
    expect(
      deposits.map(({ customerId, amount, confirmationsRequired }) => [customerId, amount, confirmationsRequired]),
    ).toEqual([
      ['cus_ann', 99n, 1],
      ['cus_ben', 100n, 5],
      ['cus_ann', 1n, 1],
    ]);
    expect(moves).toEqual([99n, 100n, 1n].map((amount) => [uncollected, unconfirmed, amount]));
    expect(alarms).toEqual([]);
  });

  test('a Bitcoin deposit is hot at once: its key is a child of the wallet’s', () => {
    const { moves } = decide([transaction([transfer('in', 'ann', 9n)])], [], 'bitcoin');
    expect(moves).toEqual([[accountCodes.hot(bitcoin, 'ETH'), accountCodes.unconfirmed(bitcoin, 'ETH'), 9n]]);
  });

  test('a doubted one waits in quarantine with its reason', () => {
    const { deposits, moves } = decide([transaction([transfer('in', 'ann', 9n, { doubt: 'unlogged-arrival' })])]);
    expect(deposits).toMatchObject([{ doubt: 'unlogged-arrival', state: 'quarantined' }]);
    expect(moves).toEqual([[uncollected, accountCodes.quarantine(evm, 'ETH'), 9n]]);
  });

  test('one that was only claimed is on record and in no account', () => {
    const { deposits, moves } = decide([transaction([transfer('in', 'ann', 9n, { doubt: 'nothing-arrived' })])]);
    expect(deposits).toMatchObject([{ doubt: 'nothing-arrived', state: 'rejected', amount: 9n }]);
    expect(moves).toEqual([]);
  });

  test('one whose token answers no balance is in quarantine and in no account, and the asset has an alarm', () => {
    const unread = { doubt: 'balance-unread' } as const;
    const { deposits, moves, alarms } = decide([
      transaction([
        transfer('out', 'vault', 7n, unread),
        transfer('out', 'ben', 5n, unread),
        transfer('in', 'vault', 5n, unread),
        transfer('in', 'ann', 9n, unread),
      ]),
    ]);
    expect(deposits).toMatchObject([{ doubt: 'balance-unread', state: 'quarantined', amount: 9n }]);
    expect(moves).toEqual([]);
    expect(alarms).toMatchObject([{ code: 'token-unread', subject: unreadSubject(evm, 'ETH') }]);
  });

  test('one that nobody can spend yet waits until it matures', () => {
    const { deposits } = decide([transaction([transfer('in', 'ann', 9n, { maturity: 100 })])], [], 'bitcoin');
    expect(deposits).toMatchObject([{ state: 'seen', confirmationsRequired: 100 }]);
  });

  test('at the vault without a deposit address wait in suspense with an alarm; the relayer’s are our own capital', () => {
    const { moves, alarms, deposits } = decide([transaction([transfer('in', 'vault', 5n), transfer('in', 'gas', 6n)])]);
    expect(moves).toEqual([
      [hot, accountCodes.suspense(evm, 'ETH'), 5n],
      [accountCodes.relayer(evm, 'ETH'), accountCodes.capital('ETH'), 6n],
    ]);
    expect(alarms.map(({ code }) => code)).toEqual(['unattributed-arrival']);
    expect(deposits).toEqual([]);
  });

  test('postings are named by the application of the block and their place in it', () => {
    const { postings } = decide([transaction([transfer('in', 'ann', 1n)]), transaction([transfer('in', 'ann', 1n)])]);
    expect(postings.map(({ idem, cause }) => [idem, cause])).toEqual([
      ['block/7/0', 'block:7'],
      ['block/7/1', 'block:7'],
    ]);
  });

  test('an address that is nobody’s moves nothing', () => {
    expect(decide([transaction([transfer('in', 'stranger', 5n), transfer('out', 'stranger', 5n)])])).toMatchObject({
      postings: [],
      deposits: [],
      alarms: [],
    });
  });
});

describe('what strangers do', () => {
  test('a flush of forwarders to the vault moves between our accounts', () => {
    const { moves, alarms } = decide([
      transaction([
        transfer('out', 'ann', 5n),
        transfer('out', 'ben', 7n),
        transfer('in', 'vault', 5n),
        transfer('in', 'vault', 7n),
      ]),
    ]);
    expect(moves).toEqual([
      [hot, uncollected, 5n],
      [hot, uncollected, 7n],
    ]);
    expect(alarms).toEqual([]);
  });

  test('a flush together with a gift to the vault: only the gift is unattributed', () => {
    const { moves, alarms } = decide([
      transaction([transfer('out', 'ann', 5n), transfer('in', 'vault', 5n), transfer('in', 'vault', 2n)]),
    ]);
    expect(moves).toEqual([
      [hot, uncollected, 5n],
      [hot, accountCodes.suspense(evm, 'ETH'), 2n],
    ]);
    expect(alarms.map(({ message }) => message)).toEqual([expect.stringContaining('2 base units of ETH')]);
  });

  test('a deposit and its flush in one transaction are a deposit and a move', () => {
    const { deposits, moves, alarms } = decide([
      transaction([transfer('out', 'ann', 5n), transfer('in', 'ann', 5n), transfer('in', 'vault', 5n)]),
    ]);
    expect(deposits).toHaveLength(1);
    expect(moves).toEqual([
      [hot, uncollected, 5n],
      [uncollected, unconfirmed, 5n],
    ]);
    expect(alarms).toEqual([]);
  });

  test.each(['vault', 'ann', 'gas'])(
    'coins that leave %s without our signature are unexplained, with an alarm',
    (address) => {
      const { moves, alarms } = decide([transaction([transfer('out', address, 8n)])]);
      expect(moves).toMatchObject([[accountCodes.unexplained(evm, 'ETH'), expect.anything(), 8n]]);
      expect(alarms.map(({ code }) => code)).toEqual(['unexplained-outflow']);
    },
  );
});

describe('our own transactions', () => {
  const payments = (amount: bigint) => new Map([['ETH', amount]]);
  const withdrawal: OwnTransaction = {
    id: 'own-1',
    kind: 'withdrawal',
    refs: ['safe:1', 'tx:0xt'],
    payments: payments(10n),
  };
  const sweep: OwnTransaction = { id: 'own-2', kind: 'sweep', refs: ['tx:0xt'], payments: new Map() };
  const fee = transfer('out', 'gas', 3n, { index: 'fee' });

  test('a withdrawal leaves its payments in flight and accounts the relayer’s fee', () => {
    const { moves, inclusions, alarms } = decide(
      [transaction([fee, transfer('out', 'vault', 10n)], ['safe:1'])],
      [withdrawal],
    );
    expect(moves).toEqual([
      [accountCodes.feesPaid(evm, 'ETH'), accountCodes.relayer(evm, 'ETH'), 3n],
      [inFlight, hot, 10n],
    ]);
    expect(inclusions).toMatchObject([{ transactionId: 'own-1', succeeded: true, fee: 3n }]);
    expect(alarms).toEqual([]);
  });

  test('mined without its Safe hash it was reverted: the fee is spent and nothing else', () => {
    const { moves, inclusions, alarms } = decide([transaction([fee])], [withdrawal]);
    expect(moves).toHaveLength(1);
    expect(inclusions).toMatchObject([{ succeeded: false, fee: 3n }]);
    expect(alarms).toEqual([]);
  });

  test.each([9n, 11n])('one that took %i where its payments are 10 raises an alarm', (amount) => {
    const { alarms } = decide([transaction([transfer('out', 'vault', amount)], ['safe:1'])], [withdrawal]);
    expect(alarms).toMatchObject([{ code: 'payment-differs', subject: 'own-1' }]);
  });

  test.each([10n, 10n ** 30n])(
    'one whose token answers no balance and claims %i is booked as its payment, and a person looks before it is settled',
    (claimed) => {
      const { moves, inclusions, alarms } = decide(
        [transaction([transfer('out', 'vault', claimed, { doubt: 'balance-unread' })], ['safe:1'])],
        [withdrawal],
      );
      expect(moves).toEqual([[inFlight, hot, 10n]]);
      expect(inclusions).toMatchObject([{ succeeded: true }]);
      expect(alarms.map(({ code, subject }) => [code, subject])).toEqual([
        ['token-unread', unreadSubject(evm, 'ETH')],
        ['payment-differs', 'own-1'],
      ]);
    },
  );

  test('a coin that a payee sends back to the vault waits in suspense and does not hold up the payment', () => {
    const { inclusions, alarms } = decide(
      [transaction([transfer('out', 'vault', 10n), transfer('in', 'vault', 1n)], ['safe:1'])],
      [withdrawal],
    );
    expect(inclusions).toMatchObject([{ succeeded: true }]);
    expect(alarms.map((alarm) => alarm.code)).toEqual(['unattributed-arrival']);
  });

  test('a payee’s contract that passes its payment on to a customer of ours makes a deposit', () => {
    const { deposits, moves, alarms } = decide(
      [transaction([transfer('out', 'vault', 10n), transfer('in', 'ann', 10n)], ['safe:1'])],
      [withdrawal],
    );
    expect(deposits).toMatchObject([{ customerId: 'cus_ann', amount: 10n }]);
    expect(moves).toEqual([
      [inFlight, hot, 10n],
      [uncollected, unconfirmed, 10n],
    ]);
    expect(alarms).toEqual([]);
  });

  test('a sweep moves what its forwarders held and says which it emptied', () => {
    const { moves, inclusions, alarms } = decide(
      [transaction([fee, transfer('out', 'ann', 5n), transfer('in', 'vault', 5n)])],
      [sweep],
    );
    expect(moves).toEqual([
      [accountCodes.feesPaid(evm, 'ETH'), accountCodes.relayer(evm, 'ETH'), 3n],
      [inFlight, uncollected, 5n],
      [hot, inFlight, 5n],
    ]);
    expect(inclusions[0]?.emptied).toEqual(new Set(['ann ETH']));
    expect(alarms).toEqual([]);
  });

  test('a sweep that arrives short, as of a token that takes a fee, raises an alarm', () => {
    expect(
      decide([transaction([transfer('out', 'ann', 5n), transfer('in', 'vault', 4n)])], [sweep]).alarms,
    ).toMatchObject([{ code: 'payment-differs' }]);
  });

  test('of a Bitcoin batch the miner’s fee is what neither payments nor change took', () => {
    const spent = [transfer('out', 'ann', 30n), transfer('out', 'vault', 5n), transfer('in', 'vault', 22n)];
    const { moves, inclusions, alarms } = decide([transaction(spent)], [withdrawal], 'bitcoin');
    const [flight, pool] = [accountCodes.inFlight(bitcoin, 'ETH'), accountCodes.hot(bitcoin, 'ETH')];
    expect(moves).toEqual([
      [flight, pool, 30n],
      [flight, pool, 5n],
      [pool, flight, 22n],
      [accountCodes.feesPaid(bitcoin, 'ETH'), flight, 3n],
    ]);
    expect(inclusions).toMatchObject([{ fee: 3n, succeeded: true }]);
    expect(alarms).toEqual([]);
  });
});

describe('cold', () => {
  const cold = accountCodes.cold(evm, 'ETH');
  const coldCoins = accountCodes.cold(bitcoin, 'ETH');
  const hotCoins = accountCodes.hot(bitcoin, 'ETH');
  const skim: OwnTransaction = { id: 'tx-1', kind: 'skim', refs: ['tx:0xt', 'safe:1'], payments: new Map() };
  const codes = ({ alarms }: { alarms: readonly { code: string }[] }) => alarms.map(({ code }) => code);

  test('a skim passes through transit and is included', () => {
    const decided = decide(
      [transaction([transfer('out', 'vault', 9n), transfer('in', 'sealed', 9n)], ['safe:1'])],
      [skim],
    );
    expect(decided.moves).toEqual([
      [inFlight, hot, 9n],
      [cold, inFlight, 9n],
    ]);
    expect(decided.inclusions).toMatchObject([{ succeeded: true }]);
    expect(codes(decided)).toEqual([]);
  });

  test('a skim that brings less than it took is an alarm, and one that reverted is not included', () => {
    const short = [transfer('out', 'vault', 9n), transfer('in', 'sealed', 8n)];
    expect(codes(decide([transaction(short, ['safe:1'])], [skim]))).toEqual(['payment-differs']);
    expect(decide([transaction([])], [skim]).inclusions).toMatchObject([{ succeeded: false }]);
  });

  test('a skim of coins returns change and pays the miner', () => {
    const moved = [transfer('out', 'vault', 9n), transfer('in', 'sealed', 6n), transfer('in', 'vault', 2n)];
    const decided = decide([transaction(moved)], [skim], 'bitcoin');
    expect(decided.inclusions).toMatchObject([{ succeeded: true, fee: 1n }]);
    expect(decided.moves).toContainEqual([coldCoins, accountCodes.inFlight(bitcoin, 'ETH'), 6n]);
    expect(codes(decided)).toEqual([]);
  });

  test('a refill is a move from cold to hot, whoever sends it, and no deposit', () => {
    const decided = decide([transaction([transfer('out', 'sealed', 9n), transfer('in', 'vault', 9n)])]);
    expect(decided.moves).toEqual([[hot, cold, 9n]]);
    expect(decided.deposits).toEqual([]);
    expect(codes(decided)).toEqual([]);
  });

  test('a refill of coins leaves its change at cold, and its fee is ours', () => {
    const moved = [transfer('out', 'sealed', 9n), transfer('in', 'vault', 5n), transfer('in', 'sealed', 3n)];
    const decided = decide([{ ...transaction(moved), minerFee: baseUnits(1n) }], [], 'bitcoin');
    expect(decided.moves).toEqual([
      [hotCoins, coldCoins, 5n],
      [accountCodes.feesPaid(bitcoin, 'ETH'), coldCoins, 1n],
    ]);
    expect(codes(decided)).toEqual([]);
  });

  test('a refill that also pays a stranger, or more to the miner than it says, is unexplained', () => {
    const moved = [transfer('out', 'sealed', 9n), transfer('in', 'vault', 5n)];
    const decided = decide([{ ...transaction(moved), minerFee: baseUnits(1n) }], [], 'bitcoin');
    expect(decided.moves).toEqual([
      [hotCoins, coldCoins, 5n],
      [accountCodes.unexplained(bitcoin, 'ETH'), coldCoins, 4n],
    ]);
    expect(codes(decided)).toEqual(['unexplained-outflow']);
  });

  test('an evacuation is at cold and an alarm, and a cold account pays its own gas', () => {
    const evacuated = decide([transaction([transfer('out', 'vault', 9n), transfer('in', 'sealed', 9n)])]);
    expect(evacuated.moves).toEqual([[cold, hot, 9n]]);
    expect(codes(evacuated)).toEqual(['moved-to-cold']);
    const gas = decide([transaction([transfer('out', 'sealed', 2n, { index: 'fee' })])]);
    expect(gas.moves).toEqual([[accountCodes.feesPaid(evm, 'ETH'), cold, 2n]]);
    expect(codes(gas)).toEqual([]);
  });

  test('what reaches cold from nowhere waits in suspense', () => {
    const decided = decide([transaction([transfer('in', 'sealed', 4n)])]);
    expect(decided.moves).toEqual([[cold, accountCodes.suspense(evm, 'ETH'), 4n]]);
    expect(codes(decided)).toEqual(['unattributed-arrival']);
  });
});
