import type { ScheduledCall } from '@holdfast/core/cold/scheduled-call.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type GovernanceMemory, watchGovernance } from './watch-governance.ts';

const network = 'eip155:1';
const guard = `0x${'9'.repeat(40)}`;
const id = (digit: string): string => `0x${digit.repeat(64)}`;
let written: string[];
beforeEach(() => {
  written = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((line) => written.push(String(line)) > 0);
});
afterEach(() => void vi.restoreAllMocks());

/** unpause(uint64) of the guard. */
const unpause = (operation: string, index = 0, target = guard): ScheduledCall => ({
  operation,
  index,
  target,
  value: '0',
  data: `0x568b4aeb${'1'.padStart(64, '0')}`,
});

function setUp(blocks: Record<number, ScheduledCall[]>, tip: number) {
  const chain = { tip, blocks, timeS: 1_000n, timestamps: new Map<string, bigint>(), failure: null as Failure | null };
  const read: [number, number][] = [];
  const kept: GovernanceMemory[] = [];
  const open = (memory: GovernanceMemory | null = null) =>
    watchGovernance({
      network,
      memory,
      keep: (one) => void kept.push(structuredClone(one)),
      view: {
        tip: async () => {
          if (chain.failure) throw chain.failure;
          return chain.tip;
        },
        scheduled: async (from, to) => {
          read.push([from, to]);
          return Object.entries(chain.blocks).flatMap(([at, calls]) => (+at >= from && +at <= to ? calls : []));
        },
        stateAt: async (_height, operations) => ({
          timeS: chain.timeS,
          timestamps: operations.map((one) => chain.timestamps.get(one) ?? 0n),
        }),
        names: () => ({
          coin: 'ETH',
          hot_safe: `0x${'1'.repeat(40)}`,
          cold_safe: `0x${'2'.repeat(40)}`,
          tokens: [],
          contracts: [{ kind: 'vault-guard', address: guard }],
        }),
        finalityBlocks: () => 10,
      },
    });
  return { chain, read, kept, open };
}

const alarms = (): unknown[] =>
  written.map((line) => JSON.parse(line) as { alarm?: string }).filter(({ alarm }) => alarm === 'governance-scheduled');

test('shows what is scheduled, in words, until it is cancelled or done, and says it once', async () => {
  const { chain, open } = setUp({ 95: [unpause(id('a'), 1), unpause(id('a'), 0, `0x${'7'.repeat(40)}`)] }, 100);
  chain.timestamps.set(id('a'), 4_600n);
  const watch = open();
  await watch.look();
  const [one] = watch.pending();
  expect(one).toMatchObject({ network, operation: id('a'), ready_at_ms: 4_600_000 });
  expect(one?.calls[0]).toMatch(/^UNKNOWN: 0x7{40} is called with 0x/);
  expect(one?.calls).toHaveLength(2);
  chain.tip += 1;
  await watch.look();
  expect(alarms()).toHaveLength(1);
  for (const over of [0n, 1n]) {
    chain.timestamps.set(id('a'), over);
    chain.tip += 1;
    await watch.look();
    expect(watch.pending()).toEqual([]);
  }
});

test('one that was cancelled and is scheduled again is shown and said again', async () => {
  const { chain, open } = setUp({ 95: [unpause(id('a'))] }, 100);
  const watch = open();
  await watch.look();
  expect(watch.pending()).toEqual([]);
  chain.tip = 200;
  await watch.look();
  chain.blocks[205] = [unpause(id('a'))];
  chain.timestamps.set(id('a'), 9_000n);
  chain.tip = 206;
  await watch.look();
  expect([watch.pending().length, alarms().length]).toEqual([1, 1]);
  chain.timestamps.set(id('a'), 9_999n);
  chain.tip = 207;
  await watch.look();
  expect(alarms()).toHaveLength(2);
});

test('one that matured longer ago than its grace is void', async () => {
  const { chain, open } = setUp({ 95: [unpause(id('a'))] }, 100);
  chain.timestamps.set(id('a'), 1_000n);
  chain.timeS = 1_000n + 14n * 86_400n;
  const watch = open();
  await watch.look();
  expect(watch.pending()).toHaveLength(1);
  chain.timeS += 1n;
  chain.tip += 1;
  await watch.look();
  expect(watch.pending()).toEqual([]);
});

test('remembers over a restart what was scheduled before, and reads on from there', async () => {
  const { chain, read, kept, open } = setUp({ 95: [unpause(id('a'))] }, 100);
  chain.timestamps.set(id('a'), 4_600n);
  await open().look();
  const memory = kept.at(-1);
  chain.tip = 300;
  read.length = 0;
  const again = open(memory);
  await again.look();
  expect(again.pending()).toHaveLength(1);
  expect(read[0]?.[0]).toBe((memory?.height ?? 0) + 1 - 6);
  expect(read.at(-1)?.[1]).toBe(300);
});

test('a node that is away changes nothing that is shown', async () => {
  const { chain, open } = setUp({ 95: [unpause(id('a'))] }, 100);
  chain.timestamps.set(id('a'), 4_600n);
  const watch = open();
  await watch.look();
  chain.failure = new Failure('node-unavailable', 'x');
  await watch.look();
  expect(watch.pending()).toHaveLength(1);
});
