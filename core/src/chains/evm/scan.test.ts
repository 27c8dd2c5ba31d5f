import { describe, expect, test } from 'vitest';
import type { EvmBalanceDelta, EvmBlock, EvmCallFrame, EvmLog, EvmReceipt } from './node-block.ts';
import { scanEvmBlock, touchedTokenBalances, type EvmWatch } from './scan.ts';

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
function blockOf(txs: Tx[], deltas?: EvmBalanceDelta[]): EvmBlock {
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
  const honest = touchedTokenBalances(receipts, watch).map((pair) => ({
    ...pair,
    delta: netOf(receipts, pair.address),
  }));
  const header = { number: '0x10', hash: blockHash, parentHash: `0x${'b0'.repeat(32)}`, timestamp: '0x65000000' };
  return { header, receipts, traces, balanceDeltas: deltas ?? honest };
}
function netOf(receipts: readonly EvmReceipt[], address: string): bigint {
  const is = (text: string | undefined) => text === topic(address);
  return receipts
    .flatMap(({ logs }) => logs)
    .reduce(
      (net, log) => net + (is(log.topics[2]) ? BigInt(log.data) : 0n) - (is(log.topics[1]) ? BigInt(log.data) : 0n),
      0n,
    );
}
const transfersOf = (txs: Tx[], deltas?: EvmBalanceDelta[]) =>
  scanEvmBlock(blockOf(txs, deltas), watch).transactions.flatMap(({ transfers }) => transfers);
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
  test('one transfer that arrived short is credited with what arrived', () => {
    const [only] = transfersOf([pay(100n)], delta(97n));
    expect(only).toEqual({ index: 'log:0', asset: 'USDT', direction: 'in', address: deposit, amount: 97n });
  });

  test.each([0n, -5n, 101n])('one transfer of 100 that changed the balance by %s is doubted', (change) => {
    expect(transfersOf([pay(100n)], delta(change))).toMatchObject([{ amount: 100n, doubt: 'balance-delta-mismatch' }]);
  });

  test('of several transfers all are doubted, in whichever transaction they are', () => {
    expect(transfersOf([pay(100n), pay(50n)], delta(149n)).map(({ doubt }) => doubt)).toEqual([
      'balance-delta-mismatch',
      'balance-delta-mismatch',
    ]);
  });

  test('a transfer in beside one out is doubted', () => {
    const out = { logs: [transferLog(deposit, vault, 10n)] };
    const deltas = [...delta(80n), { contract: usdt, address: vault, delta: 10n }];
    expect(transfersOf([pay(100n), out], deltas).filter(({ doubt }) => doubt)).toMatchObject([
      { direction: 'in', address: deposit },
    ]);
  });

  test('two transfers and one back that add up are believed', () => {
    expect(
      transfersOf([pay(100n), pay(50n), { logs: [transferLog(deposit, stranger, 30n)] }], delta(120n)).some(
        ({ doubt }) => doubt,
      ),
    ).toBe(false);
  });

  test('a forgotten balance is a bug of the caller', () => {
    expect(() => transfersOf([pay(100n)], [])).toThrow('read no balance change');
  });
});

test('names each pair of token and watched address once', () => {
  const { receipts } = blockOf([
    { logs: [transferLog(stranger, deposit, 1n), transferLog(deposit, vault, 1n), transferLog(stranger, deposit, 2n)] },
  ]);
  expect(touchedTokenBalances(receipts, watch)).toEqual([
    { contract: usdt, address: deposit },
    { contract: usdt, address: vault },
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
