import { Failure } from '@holdfast/core/failure.ts';
import { expect, test } from 'vitest';
import { assertEnoughNodes } from './assert-enough-nodes.ts';
import { createBoundedCache } from './bounded-cache.ts';
import { firstThatProves } from './first-that-proves.ts';
import type { SendRpc } from './json-rpc.ts';

const says =
  (answer: unknown): SendRpc =>
  async () => {
    if (answer instanceof Error) throw answer;
    return [answer];
  };
const read = async (send: SendRpc): Promise<unknown> => (await send([]))[0];
const lies = says(new Failure('node-proof-invalid', 'lie'));
const away = says(new Failure('node-unavailable', 'away'));

test('the first proof counts, and only refusals lead to the next endpoint', async () => {
  expect(await firstThatProves([lies, away, says(1), says(2)], read)).toBe(1);
  await expect(firstThatProves([says(new TypeError('bug')), says(1)], read)).rejects.toThrow('bug');
});

test('a lie is reported before an absence', async () => {
  const failure = (code: string) => expect.objectContaining({ code });
  await expect(firstThatProves([lies, away], read)).rejects.toEqual(failure('node-proof-invalid'));
  await expect(firstThatProves([away, lies], read)).rejects.toEqual(failure('node-proof-invalid'));
  await expect(firstThatProves([away, away], read)).rejects.toEqual(failure('node-unavailable'));
});

test('it takes one endpoint more than may lie, and the same twice is one', () => {
  const network = { network: 'eip155:1', node_faults: 1 };
  expect(() => assertEnoughNodes([lies], network)).toThrow(expect.objectContaining({ code: 'nodes-too-few' }));
  expect(() => assertEnoughNodes([lies, lies], network)).toThrow(expect.objectContaining({ code: 'nodes-too-few' }));
  assertEnoughNodes([lies, away], network);
});

test('a cache forgets what was not used for longest', () => {
  const cache = createBoundedCache<number>(2);
  cache.set('a', 1);
  cache.set('b', 2);
  expect(cache.get('a')).toBe(1);
  cache.set('c', 3);
  expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([1, undefined, 3]);
});
