import { Failure } from '@holdfast/core/failure.ts';
import { emptyState } from '@holdfast/core/signing/journal-state.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { HaltDesk } from '../halts/halt-desk.ts';
import { watchNetwork } from './watch-network.ts';

const network = 'eip155:1';
beforeEach(() => void vi.spyOn(process.stdout, 'write').mockReturnValue(true));
afterEach(() => void vi.restoreAllMocks());

/** A chain whose blocks hold these outflows, by height. */
function setUp(outflows: Record<number, string[]>, tip: number) {
  const state = emptyState();
  const halted: unknown[] = [];
  const read: [number, number][] = [];
  const chain = {
    tip,
    outflows,
    failure: null as Failure | null,
    isBlind: false,
    pulls: 0,
    onPull: (): void => undefined,
  };
  const know = (txid: string, height = 0): void => {
    state.transactions.set(`${network} ${txid}`, { network, txid, height } as never);
    state.accepted.push({ seq: state.accepted.length + 1, network, txid, request: '' });
  };
  const haltSelf: HaltDesk['haltSelf'] = async (scope, reason) => {
    state.haltReasons.add(`signer-1 ${reason}`);
    return { digest: String(halted.push({ scope, reason })) };
  };
  const watcher = () =>
    watchNetwork({
      network,
      signer: 'signer-1',
      state,
      waitMs: 1,
      view: {
        tip: async () => {
          if (chain.failure) throw chain.failure;
          return chain.tip;
        },
        outflows: async (from, to) => {
          read.push([from, to]);
          return Object.entries(chain.outflows).flatMap(([at, txids]) => (+at >= from && +at <= to ? txids : []));
        },
        finalityBlocks: () => 10,
      },
      pullAll: async () => {
        chain.pulls += 1;
        chain.onPull();
      },
      assertLearning: () => {
        if (chain.isBlind) throw new Failure('journal-broken', 'x');
      },
      halts: { haltSelf, haltUnexplained: async (reason) => haltSelf({ network: null, asset: null }, reason) },
    });
  return { state, chain, know, halted, read, watcher };
}

test('an outflow that was signed is nothing; one that no peer knows halts everything, once', async () => {
  const { chain, know, halted, watcher } = setUp({ 95: ['aa'] }, 100);
  know('aa');
  const one = watcher();
  await one.look();
  expect([halted, chain.pulls]).toEqual([[], 0]);
  chain.outflows[101] = ['bb'];
  chain.tip = 101;
  await one.look();
  expect(halted).toEqual([{ scope: { network: null, asset: null }, reason: `unsigned outflow bb on ${network}` }]);
  expect(chain.pulls).toBe(2);
  chain.tip = 102;
  await one.look();
  expect(halted).toHaveLength(1);
  expect(one.height()).toBe(102);
});

test('what this signer has halted for does not halt again after a restart; what a peer has halted for does', async () => {
  const { state, halted, watcher } = setUp({ 100: ['aa'], 99: ['bb'] }, 100);
  state.haltReasons.add(`signer-1 unsigned outflow aa on ${network}`);
  state.haltReasons.add(`signer-2 unsigned outflow bb on ${network}`);
  await watcher().look();
  expect(halted).toEqual([{ scope: { network: null, asset: null }, reason: `unsigned outflow bb on ${network}` }]);
});

test('asks the peers twice before it halts', async () => {
  const { chain, know, halted, watcher } = setUp({ 100: ['aa'] }, 100);
  chain.onPull = () => void (chain.pulls === 2 && know('aa'));
  await watcher().look();
  expect([halted, chain.pulls]).toEqual([[], 2]);
});

test('starts where the last transaction was accepted, and covers a long absence in bounded readings', async () => {
  const { know, read, watcher } = setUp({}, 400);
  know('aa', 200);
  await watcher().look();
  expect(read[0]?.[0]).toBeLessThanOrEqual(200);
  expect(read.at(-1)?.[1]).toBe(400);
  for (const [from, to] of read) expect(to - from).toBeLessThan(64);
  for (const [at, [from]] of read.slice(1).entries()) expect(from).toBe((read[at]?.[1] ?? 0) + 1);
});

test('starts at the depth of finality when it has accepted nothing, and reads nothing twice without a block', async () => {
  const { read, watcher } = setUp({}, 400);
  const one = watcher();
  await one.look();
  await one.look();
  expect(read).toEqual([[384, 400]]);
});

test('a Safe that differs halts its network, a node that is away does not', async () => {
  const { chain, halted, watcher } = setUp({}, 100);
  const one = watcher();
  chain.failure = new Failure('node-unavailable', 'x');
  await one.look();
  expect(halted).toEqual([]);
  chain.failure = new Failure('chain-mismatch', 'x');
  await one.look();
  expect(halted).toEqual([{ scope: { network, asset: null }, reason: `chain-mismatch on ${network}` }]);
});

test('while it cannot learn it judges nothing; afterwards it looks at what came meanwhile', async () => {
  const { chain, know, halted, read, watcher } = setUp({ 100: ['aa'], 101: ['stolen'] }, 101);
  const one = watcher();
  chain.isBlind = true;
  await one.look();
  await one.look();
  expect([halted, read, chain.pulls]).toEqual([[], [], 0]);
  chain.isBlind = false;
  know('aa');
  await one.look();
  expect(halted).toEqual([{ scope: { network: null, asset: null }, reason: `unsigned outflow stolen on ${network}` }]);
});

test('a Safe that differs halts its network also while it cannot learn', async () => {
  const { chain, halted, watcher } = setUp({}, 100);
  chain.isBlind = true;
  chain.failure = new Failure('chain-mismatch', 'x');
  await watcher().look();
  expect(halted).toHaveLength(1);
});

test('after an absence it looks back to what it accepted last itself, whatever it has just heard from peers', async () => {
  const { know, halted, watcher } = setUp({ 60: ['stolen'] }, 100);
  know('aa', 50);
  know('heard', 0);
  await watcher().look();
  expect(halted).toHaveLength(1);
});
