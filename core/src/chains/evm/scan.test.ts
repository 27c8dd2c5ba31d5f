import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nativeMovements } from './movements.ts';
import type { EvmBalanceDelta, EvmBlock, EvmCallFrame, EvmHeader, EvmLog, EvmReceipt } from './node-block.ts';
import { scanEvmBlock, touchedBalances, type EvmWatch } from './scan.ts';

const deposit = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
const vault = '0x3d9ebf620A74f13480e743Fb609D131076087f00';
const relayer = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359';
const stranger = '0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB';
const usdt = '0xa513E6E4b8f2a923D98304ec87F64353C4D5C853';
const blockHash = `0x${'b1'.repeat(32)}`;
const transferTopic = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef';

const kinds = new Map([
  [deposit.toLowerCase(), 'deposit' as const],
  [vault.toLowerCase(), 'hot' as const],
  [relayer.toLowerCase(), 'relayer' as const],
]);
const watch: EvmWatch = {
  kindOf: (address) => kinds.get(address),
  tokens: new Map([[usdt, 'USDT']]),
  nativeAsset: 'ETH',
};

const word = (value: bigint) => `0x${value.toString(16).padStart(64, '0')}`;
const quantity = (value: bigint) => `0x${value.toString(16)}`;
const topic = (address: string) => word(BigInt(address));
const transferLog = (from: string, to: string, amount: bigint, change: Partial<EvmLog> = {}): EvmLog => ({
  address: usdt.toLowerCase(),
  topics: [transferTopic, topic(from), topic(to)],
  data: word(amount),
  ...change,
});
const call = (from: string, to: string, amount: bigint, change: Partial<EvmCallFrame> = {}): EvmCallFrame => ({
  type: 'CALL',
  from: from.toLowerCase(),
  to: to.toLowerCase(),
  value: quantity(amount),
  ...change,
});

interface Tx {
  from?: string;
  status?: string;
  logs?: EvmLog[];
  frame?: EvmCallFrame;
}
/** A block of these transactions; balances move as the logs say unless a delta is given. */
function blockOf(txs: Tx[], deltas: EvmBalanceDelta[] = [], rewards: Partial<EvmHeader> = {}): EvmBlock {
  const hashOf = (at: number) => word(BigInt(at + 1));
  const receipts = txs.map((tx, at): EvmReceipt => ({
    transactionHash: hashOf(at),
    blockHash,
    status: tx.status ?? '0x1',
    from: (tx.from ?? stranger).toLowerCase(),
    gasUsed: '0x5208',
    effectiveGasPrice: '0x3b9aca00',
    logs: tx.logs ?? [],
  }));
  const traces = txs.map((tx, at) => ({ txHash: hashOf(at), result: tx.frame ?? call(stranger, stranger, 0n) }));
  const header = {
    number: '0x10',
    hash: blockHash,
    parentHash: `0x${'b0'.repeat(32)}`,
    timestamp: '0x65000000',
    ...rewards,
  };
  const block = { header, receipts, traces };
  const honest = touchedBalances(block, watch).map((pair) => ({
    ...pair,
    delta: pair.contract === null ? nativeNetOf(block, pair.address) : netOf(receipts, pair.address),
  }));
  // Given are the changes that are not honest.
  const isGiven = ({ contract, address }: EvmBalanceDelta) =>
    deltas.some((one) => one.contract === contract && one.address === address);
  return { ...block, balanceDeltas: [...honest.filter((one) => !isGiven(one)), ...deltas] };
}
function netOf(receipts: readonly EvmReceipt[], address: string): bigint {
  const is = (text: string | undefined) => text === topic(address);
  return receipts
    .filter(({ status }) => status === '0x1')
    .flatMap(({ logs }) => logs)
    .reduce(
      (net, log) => net + (is(log.topics[2]) ? BigInt(log.data) : 0n) - (is(log.topics[1]) ? BigInt(log.data) : 0n),
      0n,
    );
}
function nativeNetOf({ receipts, traces }: Omit<EvmBlock, 'balanceDeltas'>, address: string): bigint {
  const own = address.toLowerCase();
  return receipts.reduce((net, receipt, at) => {
    const moved = receipt.status === '0x1' ? nativeMovements(traces[at]!.result, 'ETH') : [];
    return moved.reduce(
      (sum, { from, to, amount }) => sum + (to === own ? amount : 0n) - (from === own ? amount : 0n),
      net,
    );
  }, 0n);
}
const transfersOf = (txs: Tx[], deltas?: EvmBalanceDelta[], rewards?: Partial<EvmHeader>) =>
  scanEvmBlock(blockOf(txs, deltas, rewards), watch).transactions.flatMap(({ transfers }) => transfers);
const delta = (amount: bigint): EvmBalanceDelta[] => [{ contract: usdt, address: deposit, delta: amount }];

test('carries the header, and an uninteresting block has no transactions', () => {
  const scanned = scanEvmBlock(
    blockOf([{ logs: [transferLog(stranger, usdt, 5n)], frame: call(stranger, usdt, 5n) }]),
    watch,
  );
  expect(scanned).toEqual({
    height: 16,
    hash: blockHash,
    parentHash: `0x${'b0'.repeat(32)}`,
    timeMs: 0x65000000 * 1000,
    transactions: [],
  });
});

describe('native coins', () => {
  test('a transfer of the transaction itself and one deep inside are found by their path', () => {
    const frame = call(stranger, deposit, 1n, {
      calls: [call(stranger, usdt, 9n), call(stranger, usdt, 0n, { calls: [call(usdt, deposit, 2n)] })],
    });
    expect(transfersOf([{ frame }])).toEqual([
      { index: 'trace:0', asset: 'ETH', direction: 'in', address: deposit, amount: 1n },
      { index: 'trace:0.1.0', asset: 'ETH', direction: 'in', address: deposit, amount: 2n },
    ]);
  });

  test('nothing moves inside a frame that failed, however deep', () => {
    const frame = call(stranger, usdt, 0n, {
      calls: [
        call(stranger, usdt, 0n, { error: 'execution reverted', calls: [call(usdt, deposit, 2n)] }),
        call(stranger, deposit, 3n),
      ],
    });
    expect(transfersOf([{ frame }])).toMatchObject([{ index: 'trace:0.1', amount: 3n }]);
  });

  test('nothing moves in a failed transaction', () => {
    expect(
      transfersOf([{ status: '0x0', frame: call(stranger, deposit, 3n), logs: [transferLog(stranger, deposit, 4n)] }]),
    ).toEqual([]);
  });

  test.each(['CREATE', 'CREATE2', 'SELFDESTRUCT'])('%s moves its value', (type) => {
    expect(transfersOf([{ frame: call(stranger, deposit, 3n, { type }) }])).toHaveLength(1);
  });

  test.each(['DELEGATECALL', 'STATICCALL', 'CALLCODE'])('%s moves nothing of its own', (type) => {
    const frame = call(stranger, usdt, 0n, {
      calls: [call(stranger, deposit, 3n, { type, calls: [call(usdt, deposit, 4n)] })],
    });
    expect(transfersOf([{ frame }])).toMatchObject([{ index: 'trace:0.0.0', amount: 4n }]);
  });

  test('a payment of an address to itself is no transfer', () => {
    expect(transfersOf([{ frame: call(deposit, deposit, 3n) }])).toEqual([]);
  });

  test('twenty thousand nested calls do not exhaust the stack', () => {
    let frame = call(stranger, deposit, 3n);
    for (let depth = 0; depth < 20_000; depth++) frame = call(stranger, usdt, 0n, { calls: [frame] });
    expect(transfersOf([{ frame }])).toHaveLength(1);
  });
});

describe('tokens', () => {
  test('the index is the ordinal of the log in its transaction, not in the block', () => {
    const first = { logs: [transferLog(stranger, stranger, 1n)] };
    const second = { logs: [transferLog(stranger, usdt, 1n), transferLog(stranger, deposit, 7n)] };
    expect(transfersOf([first, second])).toEqual([
      { index: 'log:1', asset: 'USDT', direction: 'in', address: deposit, amount: 7n },
    ]);
  });

  test.each<[string, EvmLog]>([
    ['a token that is not listed', transferLog(stranger, deposit, 7n, { address: stranger.toLowerCase() })],
    [
      'an ERC-721 transfer',
      transferLog(stranger, deposit, 7n, { topics: [transferTopic, topic(stranger), topic(deposit), word(7n)] }),
    ],
    ['another event', transferLog(stranger, deposit, 7n, { topics: [word(1n), topic(stranger), topic(deposit)] })],
    ['no amount', transferLog(stranger, deposit, 7n, { data: '0x' })],
    ['more than an amount', transferLog(stranger, deposit, 7n, { data: `${word(7n)}00` })],
    ['an amount of zero', transferLog(stranger, deposit, 0n)],
    ['no topics', transferLog(stranger, deposit, 7n, { topics: [] })],
  ])('%s is passed over', (_, log) => {
    expect(transfersOf([{ logs: [log] }])).toEqual([]);
  });

  test('a sweep is an out of the forwarder and an in of the vault, outs first', () => {
    const sweep = {
      from: relayer,
      logs: [transferLog(deposit, vault, 7n)],
      frame: call(relayer, usdt, 0n, { calls: [call(deposit, vault, 5n)] }),
    };
    expect(transfersOf([sweep]).map(({ direction, index }) => `${direction} ${index}`)).toEqual([
      'out fee',
      'out trace:0.0',
      'out log:0',
      'in trace:0.0',
      'in log:0',
    ]);
  });
});

describe('a balance that did not follow the logs', () => {
  const pay = (amount: bigint) => ({ logs: [transferLog(stranger, deposit, amount)] });
  const out = (amount: bigint) => ({ logs: [transferLog(deposit, vault, amount)] });
  const rest = `balance:${usdt.toLowerCase()}:${deposit.toLowerCase()}`;
  /** Direction, index, amount and doubt, of the deposit address alone. */
  const seen = (txs: Tx[], change: bigint) =>
    transfersOf(txs, delta(change))
      .filter(({ address }) => address === deposit)
      .map(({ direction, index, amount, doubt }) => [direction, index, amount, ...(doubt ? [doubt] : [])]);

  test.each<[string, bigint, unknown[]]>([
    ['arrived short: what arrived', 97n, [['in', 'log:0', 97n]]],
    ['did not arrive: a claim', 0n, [['in', 'log:0', 100n, 'nothing-arrived']]],
    [
      'did not arrive while something left',
      -5n,
      [
        ['in', 'log:0', 100n, 'nothing-arrived'],
        ['out', rest, 5n],
      ],
    ],
    [
      'brought more than it says: the surplus is doubted',
      101n,
      [
        ['in', 'log:0', 100n],
        ['in', rest, 1n, 'unlogged-arrival'],
      ],
    ],
  ])('one transfer of 100 that %s', (_, change, expected) => {
    expect(seen([pay(100n)], change)).toEqual(expected);
  });

  test('of several transfers the later ones lack what did not arrive, in whichever transaction they are', () => {
    expect(seen([pay(100n), pay(50n), pay(10n)], 120n)).toEqual([
      ['in', 'log:0', 100n],
      ['in', 'log:0', 20n],
      ['in', 'log:0', 10n, 'nothing-arrived'],
    ]);
  });

  test('what left in the same block had arrived', () => {
    expect(seen([pay(100n), out(60n)], 30n)).toEqual([
      ['in', 'log:0', 90n],
      ['out', 'log:0', 60n],
    ]);
  });

  test('an outflow that the balance does not show is no arrival', () => {
    expect(seen([out(10n)], 0n)).toEqual([]);
    expect(seen([pay(100n), out(10n)], 95n)).toEqual([
      ['in', 'log:0', 100n],
      ['out', 'log:0', 5n],
    ]);
  });

  test('a claim to the vault alone is no transfer', () => {
    const lie = { logs: [transferLog(stranger, vault, 7n)] };
    expect(transfersOf([lie], [{ contract: usdt, address: vault, delta: 0n }])).toEqual([]);
  });

  test('two transfers and one back that add up are believed', () => {
    expect(
      transfersOf([pay(100n), pay(50n), { logs: [transferLog(deposit, stranger, 30n)] }]).some(({ doubt }) => doubt),
    ).toBe(false);
  });

  test('whatever is claimed, what is seen adds up to the change', () => {
    const claim = fc.record({ amount: fc.bigInt(1n, 100n), leaves: fc.boolean() });
    fc.assert(
      fc.property(fc.array(claim, { maxLength: 6 }), fc.bigInt(-300n, 300n), (claims, change) => {
        const txs = claims.map(({ amount, leaves }) => (leaves ? out(amount) : pay(amount)));
        if (txs.length === 0) return;
        const total = transfersOf(txs, delta(change))
          .filter(({ address, doubt }) => address === deposit && doubt !== 'nothing-arrived')
          .reduce((sum, { direction, amount }) => sum + (direction === 'in' ? amount : -amount), 0n);
        expect(total).toBe(change);
      }),
    );
  });

  test('where a token answers no balance its claims are seen with that doubt, in both directions', () => {
    const unread: EvmBalanceDelta[] = [{ contract: usdt, address: deposit, delta: null }];
    expect(transfersOf([pay(100n), out(60n)], unread)).toMatchObject([
      { direction: 'in', address: deposit, amount: 100n, doubt: 'balance-unread' },
      { direction: 'out', address: deposit, amount: 60n, doubt: 'balance-unread' },
      { direction: 'in', address: vault, amount: 60n },
    ]);
  });

  test('a forgotten balance is a bug of the caller', () => {
    expect(() => scanEvmBlock({ ...blockOf([pay(100n)]), balanceDeltas: [] }, watch)).toThrow('read no balance change');
  });
});

describe('native coins that come without a transaction', () => {
  const native = (amount: bigint): EvmBalanceDelta[] => [{ contract: null, address: deposit, delta: amount }];
  const index = `balance:native:${deposit.toLowerCase()}`;
  test.each<[string, Partial<EvmHeader>]>([
    ['the tips of a block', { miner: deposit }],
    ['a validator’s withdrawal', { withdrawals: [{ address: deposit }] }],
  ])('%s are a transfer under the block’s hash', (_, rewards) => {
    expect(scanEvmBlock(blockOf([], native(9n), rewards), watch).transactions).toEqual([
      {
        txid: blockHash,
        refs: [],
        transfers: [{ index, asset: 'ETH', direction: 'in', address: deposit, amount: 9n }],
      },
    ]);
  });

  test('beside a sweep of the same block they are not taken for less that left', () => {
    const sweep = { frame: call(deposit, vault, 100n) };
    expect(
      transfersOf([sweep], native(-95n), { miner: deposit }).filter(({ address }) => address === deposit),
    ).toMatchObject([
      { direction: 'out', amount: 100n },
      { direction: 'in', index, amount: 5n },
    ]);
  });

  test('a trace that shows more than arrived does not make it more', () => {
    expect(transfersOf([{ frame: call(stranger, deposit, 9n) }], native(0n))).toMatchObject([
      { amount: 9n, doubt: 'nothing-arrived' },
    ]);
  });
});

test('names each pair of token and watched address once, the native coin as null, and no relayer', () => {
  const block = blockOf(
    [
      {
        logs: [transferLog(stranger, deposit, 1n), transferLog(deposit, vault, 1n), transferLog(stranger, deposit, 2n)],
        frame: call(relayer, vault, 1n),
      },
    ],
    [],
    { miner: deposit },
  );
  expect(touchedBalances(block, watch)).toEqual([
    { contract: null, address: vault },
    { contract: usdt, address: deposit },
    { contract: usdt, address: vault },
    { contract: null, address: deposit },
  ]);
});

describe('our own transactions', () => {
  const executed = (address: string): EvmLog => ({
    address: address.toLowerCase(),
    topics: ['0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e', `0x${'AB'.repeat(32)}`],
    data: word(0n),
  });

  test('the relayer pays gas, also for a transaction that failed', () => {
    const fee = { index: 'fee', asset: 'ETH', direction: 'out', address: relayer, amount: 21_000n * 10n ** 9n };
    expect(transfersOf([{ from: relayer }])).toEqual([fee]);
    expect(transfersOf([{ from: relayer, status: '0x0', frame: call(relayer, deposit, 5n) }])).toEqual([fee]);
    expect(transfersOf([{ from: deposit }])).toEqual([]);
  });

  test('a Safe transaction is named by its hash when the vault says so, and by nobody else', () => {
    const scanned = scanEvmBlock(
      blockOf([
        { logs: [executed(vault)] },
        { logs: [executed(stranger)] },
        { logs: [executed(vault)], status: '0x0' },
      ]),
      watch,
    );
    expect(scanned.transactions.map(({ refs }) => refs)).toEqual([[`tx:${word(1n)}`, `safe:${'ab'.repeat(32)}`]]);
  });
});

describe('parts that do not belong together are refused', () => {
  const block = blockOf([{ frame: call(stranger, deposit, 3n) }, {}]);
  const [first, second] = block.traces;
  test.each<[string, EvmBlock]>([
    ['a receipt of another block', { ...block, header: { ...block.header, hash: `0x${'b2'.repeat(32)}` } }],
    ['a missing trace', { ...block, traces: [first as never] }],
    ['traces in another order', { ...block, traces: [second as never, first as never] }],
  ])('%s', (_, bent) => {
    expect(() => scanEvmBlock(bent, watch)).toThrow(expect.objectContaining({ code: 'node-disagreement' }));
  });

  test('a field that is no quantity', () => {
    const bent = { ...block, header: { ...block.header, timestamp: '1' } };
    expect(() => scanEvmBlock(bent, watch)).toThrow(expect.objectContaining({ code: 'node-unavailable' }));
  });
});
