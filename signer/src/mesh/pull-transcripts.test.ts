import type { MeshResponse } from '@holdfast/core/signing/messages.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { haltOver } from './learn-transcript.ts';
import type { CallPeer } from '../transport/peer-client.ts';
import { createTranscriptPull } from './pull-transcripts.ts';

type Transcript = MeshResponse<'/v1/mesh/transcripts'>['transcripts'][number];

const minuteMs = 60_000;

beforeEach(() => void vi.spyOn(process.stdout, 'write').mockReturnValue(true));
afterEach(() => void vi.restoreAllMocks());

/** A peer with two transcripts, of which this signer cannot verify the first one yet. */
function stage(signed: boolean) {
  const transcripts = [1, 2].map(
    (seq) => ({ seq, txid: `tx-${seq}`, signed: signed ? [{}] : [] }) as unknown as Transcript,
  );
  const at = { nowMs: 0, first: 'later' as 'later' | 'taken' };
  const taken: number[] = [];
  const halted: string[] = [];
  const halts = { haltUnexplained: async (reason: string) => ({ digest: String(halted.push(reason)) }) };
  let cursor = 0;
  const call = async (_path: string, { after }: { after: number }) => {
    return { transcripts: transcripts.filter(({ seq }) => seq > after), next: 2, done: true };
  };
  const pull = createTranscriptPull({
    peers: [{ signer: 'signer-2', call: call as unknown as CallPeer }],
    cursors: { of: () => cursor, move: (_, seq) => void (cursor = seq), save: async () => undefined },
    learn: async (_, { seq }) => {
      const result = seq === 1 ? at.first : 'taken';
      if (result === 'taken') taken.push(seq);
      return result;
    },
    giveUp: async (peer, txid) => haltOver({ halts }, peer, txid),
    monotonicMs: () => at.nowMs,
  });
  const pullAt = async (nowMs: number): Promise<void> => {
    at.nowMs = nowMs;
    await pull.pull('signer-2');
  };
  return { at, taken, halted, pull, pullAt };
}

test('waits ten minutes for what verifies a transcript that was signed; then halts over it, and goes on', async () => {
  const { taken, halted, pull, pullAt } = stage(true);
  await pullAt(5);
  await pullAt(10 * minuteMs + 4);
  expect([pull.isWaiting('signer-2'), pull.isWaiting('signer-3'), taken, halted]).toEqual([true, false, [], []]);
  await pullAt(10 * minuteMs + 5);
  expect([pull.isWaiting('signer-2'), taken, halted]).toEqual([
    false,
    [2],
    ['unverifiable transcript tx-1 of signer-2'],
  ]);
  await pullAt(60 * minuteMs);
  expect(halted).toHaveLength(1);
});

test('passes over one that nobody signed without a halt', async () => {
  const { taken, halted, pullAt } = stage(false);
  await pullAt(0);
  await pullAt(10 * minuteMs);
  expect([taken, halted]).toEqual([[2], []]);
});

test('takes it over when what verifies it comes in time', async () => {
  const { at, taken, halted, pull, pullAt } = stage(true);
  await pullAt(0);
  at.first = 'taken';
  await pullAt(9 * minuteMs);
  await pullAt(20 * minuteMs);
  expect([pull.isWaiting('signer-2'), taken, halted]).toEqual([false, [1, 2], []]);
});
