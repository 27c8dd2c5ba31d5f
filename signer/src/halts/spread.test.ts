import { Failure } from '@holdfast/core/failure.ts';
import type { SignedResume } from '@holdfast/core/signing/halt.ts';
import type { MeshPath } from '@holdfast/core/signing/messages.ts';
import { beforeEach, expect, test, vi } from 'vitest';
import type { CallPeer } from '../transport/peer-client.ts';
import { createSpread } from './spread.ts';

const message = { statement: {}, approvals: [] } as unknown as SignedResume;
const away = new Failure('signers-unavailable', 'away');

beforeEach(() => void vi.spyOn(process.stdout, 'write').mockReturnValue(true));

/** A peer that answers as `answers` say, one a call, and then well. */
const peer = (signer: string, answers: readonly Error[]) => {
  const heard: MeshPath[] = [];
  const call = async (path: MeshPath): Promise<object> => {
    heard.push(path);
    const answer = answers[heard.length - 1];
    if (answer) throw answer;
    return {};
  };
  return { signer, heard, call: call as unknown as CallPeer };
};

test('tells every peer, and again the one that was away', async () => {
  const peers = [peer('a', []), peer('b', [away, away])];
  createSpread(peers, new AbortController().signal, 1)('/v1/mesh/resume', message);
  await vi.waitFor(() => expect(peers.map(({ heard }) => heard.length)).toEqual([1, 3]));
  expect(peers[0]?.heard).toEqual(['/v1/mesh/resume']);
});

test('gives up after six attempts', async () => {
  const one = peer('a', Array<Error>(20).fill(away));
  createSpread([one], new AbortController().signal, 1)('/v1/mesh/resume', message);
  await vi.waitFor(() => expect(process.stdout.write).toHaveBeenCalledWith(expect.stringContaining('peer-not-told')));
  expect(one.heard).toHaveLength(6);
});

test.each([new Failure('halt-invalid', 'no'), new TypeError('bug')])(
  'takes a refusal for an answer: %s',
  async (no) => {
    const one = peer('a', [no]);
    createSpread([one], new AbortController().signal, 1)('/v1/mesh/resume', message);
    await vi.waitFor(() => expect(process.stdout.write).toHaveBeenCalledWith(expect.stringContaining('peer-not-told')));
    expect(one.heard).toHaveLength(1);
  },
);

test('stops with the signer', async () => {
  const one = peer('a', Array<Error>(20).fill(away));
  const stop = new AbortController();
  createSpread([one], stop.signal, 60_000)('/v1/mesh/resume', message);
  await vi.waitFor(() => expect(one.heard).toHaveLength(1));
  stop.abort();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(one.heard).toHaveLength(1);
});
