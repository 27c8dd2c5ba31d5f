import { Failure } from '@holdfast/core/failure.ts';
import type { MeshHello, SignerStatus } from '@holdfast/core/signing/messages.ts';
import { expect, test } from 'vitest';
import type { CallPeer } from '../transport/peer-client.ts';
import { followPeer } from './follow-peer.ts';

type Open = SignerStatus['halts'][number];

const halt = (digest: string): Open => {
  const scope = { network: null, asset: null };
  const statement = { version: 1, kind: 'halt', scope, reason: digest, nonce: `nonce-${digest}` } as const;
  return { digest, statement, by: 'signer-1', at_ms: 0 };
};
const hello = (halts: number, boot_id = 'boot-1') =>
  ({ boot_id, halts, policy: { version: 1 }, head: { seq: 1 }, your_head: null }) as unknown as MeshHello;

function stage(open: Open[], answer: (reason: string) => void = () => undefined, waitsFor = 0) {
  const pulls: string[] = [];
  const heard: string[] = [];
  const call = async (_path: string, body: { statement: { reason: string } }): Promise<object> => {
    heard.push(body.statement.reason);
    answer(body.statement.reason);
    return {};
  };
  const follow = followPeer({
    peers: [{ signer: 'signer-2', call: call as unknown as CallPeer }],
    guard: { check: () => undefined },
    transcripts: { pull: async () => void pulls.push('pull'), isWaiting: () => pulls.length < waitsFor },
    halts: { open: () => [...open] },
    policies: { known: () => [] },
    monotonicMs: () => 0,
  });
  return { heard, follow, pulls };
}

const settled = async () => new Promise((resolve) => setTimeout(resolve, 5));

test('tells a peer of every open halt once a boot, however many other halts the peer has', async () => {
  const open = [halt('own')];
  const { heard, follow } = stage(open);
  const hears = async (hello: MeshHello) => {
    follow('signer-2', hello);
    await settled();
    return heard;
  };
  // A new halt is spread with its evidence: only who still says hello later is told by this way.
  expect(await hears(hello(7))).toEqual([]);
  expect(await hears(hello(7))).toEqual(['own']);
  open.push(halt('new'));
  await hears(hello(7));
  expect(await hears(hello(7))).toEqual(['own', 'new']);
  expect(await hears(hello(7))).toEqual(['own', 'new']);
  expect(await hears(hello(0, 'boot-2'))).toEqual(['own', 'new', 'own', 'new']);
});

test('a halt that is one too many for the peer keeps back no other; what it did not hear comes again', async () => {
  let away = true;
  const { heard, follow } = stage([halt('a'), halt('b'), halt('c')], (reason) => {
    if (reason === 'a') throw new Failure('rate-limited', 'too many');
    if (reason === 'b' && away) throw new Failure('signers-unavailable', 'away');
  });
  for (let at = 0; at < 2; at += 1) follow('signer-2', hello(0));
  await settled();
  expect(heard).toEqual(['a', 'b']);
  away = false;
  follow('signer-2', hello(0));
  await settled();
  expect(heard).toEqual(['a', 'b', 'b', 'c']);
});

test('asks for transcripts when the peer has something new, and again while one of them waits', async () => {
  const { follow, pulls } = stage([], () => undefined, 3);
  for (let at = 0; at < 6; at += 1) {
    follow('signer-2', hello(0));
    await settled();
  }
  expect(pulls).toHaveLength(3);
  follow('signer-2', hello(0, 'boot-2'));
  await settled();
  expect(pulls).toHaveLength(4);
});
