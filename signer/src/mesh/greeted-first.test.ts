import { Failure } from '@holdfast/core/failure.ts';
import type { MeshHello, SigningRequest } from '@holdfast/core/signing/messages.ts';
import { expect, test } from 'vitest';
import { greetedFirst, peersBuildJudge } from './greeted-first.ts';
import { createRollbackGuard } from './rollback-guard.ts';

const request = {} as SigningRequest;
const said = { build: 'permitted' } as MeshHello;
const permitted = (build: string): void => {
  if (build !== 'permitted') throw new Failure('build-not-permitted', build);
};
const away = new Failure('signers-unavailable', 'away');

test('a journal that was set back is found out before the first signature after a start', async () => {
  const guard = createRollbackGuard({ head: () => ({ seq: 9, hash: '99', atMs: 0 }), hashAt: (seq) => `${seq}${seq}` });
  let hello: MeshHello | null = null;
  const ask = async () => {
    guard.check('signer-2', { seq: 5, hash: 'lost' });
    hello = said;
  };
  const reserve = greetedFirst(peersBuildJudge({ helloOf: () => hello, ask }, permitted), async () => ({
    reserved: ['signer-2'],
    unreachable: ['signer-3'],
  }));
  expect(await reserve(request, 'aa')).toEqual({ reserved: ['signer-2'], unreachable: ['signer-3'] });
  expect(() => guard.assertNotBehind()).toThrow(expect.objectContaining({ code: 'journal-behind' }));
});

test('a peer that reserves and says no hello counts as away; one that has said it is not asked again', async () => {
  const asked: string[] = [];
  const heard = new Map([['signer-3', said]]);
  const ask = async (signer: string) => {
    asked.push(signer);
    if (asked.length === 1) throw away;
    heard.set(signer, said);
  };
  const helloOf = (signer: string) => heard.get(signer) ?? null;
  const reserve = greetedFirst(peersBuildJudge({ helloOf, ask }, permitted), async () => ({
    reserved: ['signer-2', 'signer-3'],
    unreachable: [],
  }));
  expect(await reserve(request, 'aa')).toEqual({ reserved: ['signer-3'], unreachable: ['signer-2'] });
  expect(await reserve(request, 'aa')).toEqual({ reserved: ['signer-2', 'signer-3'], unreachable: [] });
  expect(await reserve(request, 'aa')).toEqual({ reserved: ['signer-2', 'signer-3'], unreachable: [] });
  expect(asked).toEqual(['signer-2', 'signer-2']);
});

test('nobody waits for the hello of a peer that does not reserve', async () => {
  const never = new Promise<void>(() => undefined);
  const reserve = greetedFirst(
    peersBuildJudge({ helloOf: () => null, ask: async () => never }, permitted),
    async () => ({
      reserved: [],
      unreachable: ['signer-2', 'signer-3'],
    }),
  );
  expect((await reserve(request, 'aa')).unreachable).toHaveLength(2);
});

test('a peer that runs a build which may not sign counts as away, also when it begins to later', async () => {
  const heard = new Map([
    ['signer-2', { build: 'poisoned' } as MeshHello],
    ['signer-3', said],
  ]);
  const watch = { helloOf: (signer: string) => heard.get(signer) ?? null, ask: async () => undefined };
  const reserve = greetedFirst(peersBuildJudge(watch, permitted), async () => ({
    reserved: ['signer-2', 'signer-3'],
    unreachable: [],
  }));
  expect(await reserve(request, 'aa')).toEqual({ reserved: ['signer-3'], unreachable: ['signer-2'] });
  heard.set('signer-2', said);
  expect((await reserve(request, 'aa')).unreachable).toEqual([]);
  heard.set('signer-3', { build: 'poisoned' } as MeshHello);
  expect(await reserve(request, 'aa')).toEqual({ reserved: ['signer-2'], unreachable: ['signer-3'] });
  heard.delete('signer-2');
  expect(await reserve(request, 'aa')).toEqual({ reserved: [], unreachable: ['signer-2', 'signer-3'] });
});
