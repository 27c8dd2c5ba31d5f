import { Failure } from '@holdfast/core/failure.ts';
import type { MeshRequest } from '@holdfast/core/signing/messages.ts';
import type { SignedTransaction } from '@holdfast/core/signing/journal-state.ts';
import { emptyState } from '@holdfast/core/signing/journal-state.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Journal } from '../journal/journal.ts';
import { signedNotices } from './signed-notices.ts';

const minuteMs = 60_000;
const txid = 'aa'.repeat(32);
let stop: AbortController;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  stop = new AbortController();
});
afterEach(() => {
  stop.abort();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const away = async (): Promise<void> => {
  throw new Failure('signers-unavailable', 'signer-2 is away');
};

/** A signer that hears of a signature of signer-2. `pull` and `isWaiting` may be changed on the way. */
function stage(pull: () => Promise<void>) {
  const state = emptyState();
  const journalled: string[] = [];
  const halted: string[] = [];
  const peer = { pull: vi.fn<() => Promise<void>>(pull), isWaiting: () => false };
  const append = async ({ kind }: { kind: string }): Promise<void> => void journalled.push(kind);
  const handle = signedNotices({
    journal: { state, append } as unknown as Journal,
    verifiers: { ed25519: () => true, p256: () => true },
    statementKeys: new Map([['signer-2', '00'.repeat(32)]]),
    transcriptPull: { pull: async () => peer.pull(), isWaiting: () => peer.isWaiting() },
    halts: { haltUnexplained: async (reason) => ({ digest: String(halted.push(reason)) }) },
    monotonicMs: () => Date.now(),
    signal: stop.signal,
  });
  const hear = async (name = txid): Promise<void> => handle('signer-2', notice(name));
  const learn = (): void => void state.transactions.set(`n ${txid}`, {} as SignedTransaction);
  return { peer, journalled, halted, hear, learn };
}

function notice(name: string): MeshRequest<'/v1/mesh/signed'> {
  const statement = { version: 1 as const, signer: 'signer-2', network: 'n', txid: name, request: 'bb'.repeat(32) };
  return { statement, signature: '00'.repeat(64) };
}

const reason = `unverifiable transcript ${txid} of signer-2`;

test('a signature whose transcript cannot be fetched halts when it is still missing after ten minutes', async () => {
  const { peer, journalled, halted, hear } = stage(away);
  await hear();
  await vi.advanceTimersByTimeAsync(10 * minuteMs - 1);
  expect(halted).toEqual([]);
  expect(peer.pull).toHaveBeenCalledTimes(40);
  await vi.advanceTimersByTimeAsync(1);
  expect(halted).toEqual([reason]);
  await vi.advanceTimersByTimeAsync(60 * minuteMs);
  expect(halted).toHaveLength(1);
  expect(peer.pull).toHaveBeenCalledTimes(40);
  expect(journalled).toEqual([]);
});

test('a peer that answers without end puts nothing off', async () => {
  const { halted, hear } = stage(async () => new Promise(() => undefined));
  void hear();
  await vi.advanceTimersByTimeAsync(10 * minuteMs);
  expect(halted).toEqual([reason]);
});

test('is journalled when the transcript comes in time, by whatever way', async () => {
  const { peer, journalled, halted, hear, learn } = stage(away);
  await hear();
  await vi.advanceTimersByTimeAsync(5 * minuteMs);
  expect(journalled).toEqual([]);
  learn();
  await vi.advanceTimersByTimeAsync(minuteMs);
  expect(journalled).toEqual(['signed']);
  const asked = peer.pull.mock.calls.length;
  await vi.advanceTimersByTimeAsync(20 * minuteMs);
  expect([journalled.length, halted.length, peer.pull.mock.calls.length - asked]).toEqual([1, 0, 0]);
});

test('halts at once when the peer hands over everything but the transcript, now or later', async () => {
  const now = stage(async () => undefined);
  await now.hear();
  expect(now.halted).toEqual([reason]);
  const later = stage(away);
  await later.hear();
  later.peer.pull.mockImplementation(async () => undefined);
  await vi.advanceTimersByTimeAsync(minuteMs);
  expect(later.halted).toEqual([reason]);
});

test('a transcript that waits for something is no excuse for longer than ten minutes', async () => {
  const { peer, halted, hear } = stage(async () => undefined);
  peer.isWaiting = () => true;
  await hear();
  await vi.advanceTimersByTimeAsync(10 * minuteMs - 1);
  expect(halted).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(halted).toEqual([reason]);
});

test('an answer that was on its way before a notice came does not count against it', async () => {
  let answer: () => void = () => undefined;
  const { peer, halted, hear } = stage(async () => new Promise((resolve) => (answer = resolve)));
  const first = hear('cc'.repeat(32));
  await vi.advanceTimersByTimeAsync(0);
  const ofFirst = answer;
  peer.pull.mockImplementation(away);
  await hear();
  ofFirst();
  await first;
  expect(halted).toEqual([`unverifiable transcript ${'cc'.repeat(32)} of signer-2`]);
});

test('more notices than anybody makes get no patience', async () => {
  const { halted, hear } = stage(away);
  for (let at = 0; at < 2_000; at += 1) await hear(String(at));
  expect(halted).toEqual([]);
  await hear();
  expect(halted).toEqual([reason]);
});
