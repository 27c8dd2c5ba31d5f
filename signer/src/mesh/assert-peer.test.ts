import { Failure } from '@holdfast/core/failure.ts';
import type { MeshHello } from '@holdfast/core/signing/messages.ts';
import { expect, test } from 'vitest';
import { assertPeer } from './assert-peer.ts';

const policy = { version: 2, digest: 'aa' };
const own = { ceremony: 'cc', policy };
const hello = { signer: 'signer-2', build: '1', ceremony: 'cc', policy } as MeshHello;
const permitted = (build: string): void => {
  if (build !== '1') throw new Failure('build-not-permitted', build);
};

/** @param answers hellos of the peer: the one heard last, and what it says when it is asked. */
function watchOf(...answers: (MeshHello | null)[]) {
  let at = 0;
  return { helloOf: () => answers[at] ?? null, ask: async () => void (at += 1) };
}

test('takes a peer of the same ceremony and policy with a permitted build', async () => {
  await assertPeer(watchOf(hello), () => own, permitted)('signer-2');
});

test.each([
  ['policy-differs', { policy: { version: 1, digest: 'aa' } }],
  ['policy-differs', { policy: { version: 2, digest: 'bb' } }],
  ['ceremony-differs', { ceremony: 'dd' }],
  ['build-not-permitted', { build: '2' }],
])('refuses with %s', async (code, change) => {
  const other = { ...hello, ...change };
  await expect(assertPeer(watchOf(other, other), () => own, permitted)('signer-2')).rejects.toMatchObject({ code });
});

test('asks again before it refuses, and when it has heard nothing', async () => {
  const stale = { ...hello, policy: { version: 1, digest: '00' } };
  await assertPeer(watchOf(stale, hello), () => own, permitted)('signer-2');
  await assertPeer(watchOf(null, hello), () => own, permitted)('signer-2');
  await expect(assertPeer(watchOf(null, null), () => own, permitted)('signer-2')).rejects.toMatchObject({
    code: 'signers-unavailable',
  });
});
