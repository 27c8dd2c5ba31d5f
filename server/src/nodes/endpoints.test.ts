import { Failure } from '@holdfast/core/failure.ts';
import { expect, test } from 'vitest';
import { openEndpoints } from './endpoints.ts';
import { type RpcEndpoint, RpcError } from './json-rpc.ts';

/** What a fake endpoint says: its height, its hashes, and its answer to a question. */
interface Fake {
  height: number;
  hash: (height: number) => string;
  answer: () => unknown;
  asked: number;
}
const refuse = (error: Error) => () => {
  throw error;
};
const away = new Failure('node-unavailable', 'does not answer');

function setUp(count: number, quorum: number, returnAfterBlocks = 3) {
  const fakes = Array.from({ length: count }, (): Fake => ({
    height: 10,
    hash: String,
    answer: () => 'true',
    asked: 0,
  }));
  const byName = new Map(fakes.map((fake, at) => [`node-${at + 1}`, fake]));
  const endpoint = (name: string) => ({ name }) as RpcEndpoint;
  const of = ({ name }: RpcEndpoint): Fake => byName.get(name)!;
  const nodes = openEndpoints([...byName.keys()].map(endpoint), {
    quorum,
    returnAfterBlocks,
    heightOf: async (one) => of(one).height,
    hashOf: async (one, height) => of(one).hash(height),
  });
  const ask = async (one: RpcEndpoint): Promise<unknown> => {
    of(one).asked += 1;
    return of(one).answer();
  };
  const agree = (isFixed?: boolean) => nodes.agree('content', 'colour', ask, isFixed);
  const grow = async (height: number): Promise<void> => {
    for (const fake of fakes) fake.height = height;
    await nodes.review();
  };
  const standings = () => nodes.states().map(({ standing }) => standing);
  return { fakes, nodes, agree, ask, grow, standings };
}
const lost = (text: string) => ({ code: 'node-quorum-lost', message: expect.stringContaining(text) as string });

test('a minority that differs is named with what it said and set aside; the quorum goes on without it', async () => {
  const { fakes, agree, nodes, standings } = setUp(3, 2);
  fakes[1]!.answer = () => 'false';
  expect(await agree()).toBe('true');
  expect(standings()).toEqual(['counted', 'set-aside', 'counted']);
  expect(nodes.states()[1]?.detail).toBe('node-2 says "false" about the colour, node-1, node-3 say "true"');
  expect(await agree()).toBe('true');
  expect(fakes.map(({ asked }) => asked)).toEqual([2, 1, 2]);
});

test('fewer than a quorum is no answer, whoever is right', async () => {
  const { fakes, agree, standings } = setUp(2, 2);
  fakes[1]!.answer = () => 'false';
  await expect(agree()).rejects.toMatchObject(lost('node-1 says "true"; node-2 says "false"'));
  expect(standings()).toEqual(['counted', 'counted']);
  fakes[1]!.answer = refuse(away);
  await expect(agree()).rejects.toMatchObject(lost('node-2: does not answer'));
  fakes[1]!.answer = () => 'true';
  expect(await agree()).toBe('true');
});

test('one that was set aside stays out of the count although a quorum is lost without it', async () => {
  const { fakes, agree } = setUp(3, 2);
  fakes[1]!.answer = () => 'false';
  await agree();
  fakes[1]!.answer = () => 'true';
  fakes[2]!.answer = refuse(away);
  await expect(agree()).rejects.toMatchObject(lost('node-2 says "false"'));
});

test('one that was set aside counts again when it has agreed for so many blocks, and not before', async () => {
  const { fakes, agree, grow, standings } = setUp(3, 2);
  fakes[1]!.answer = () => 'false';
  await agree();
  await grow(10);
  await grow(12);
  expect(standings()[1]).toBe('set-aside');
  fakes[1]!.hash = () => 'other';
  await grow(13);
  fakes[1]!.hash = String;
  await grow(14);
  await grow(16);
  expect(standings()[1]).toBe('set-aside');
  await grow(17);
  expect(standings()[1]).toBe('counted');
});

test('when so many are set aside that no quorum is left, they come back by agreeing with each other', async () => {
  const { fakes, agree, grow, standings } = setUp(3, 2);
  fakes[0]!.answer = () => 'false';
  await agree();
  fakes[1]!.answer = refuse(new Failure('node-proof-invalid', 'forged'));
  await expect(agree()).rejects.toMatchObject(lost('forged'));
  expect(standings()).toEqual(['set-aside', 'set-aside', 'counted']);
  await grow(20);
  await grow(23);
  expect(standings()).toEqual(['counted', 'counted', 'counted']);
});

test('at the newest block honest endpoints differ for moments: nobody is set aside for it', async () => {
  const { fakes, agree, standings } = setUp(3, 2);
  fakes[1]!.answer = () => 'older';
  expect(await agree(false)).toBe('true');
  expect(standings()[1]).toBe('counted');
});

test('a laggard and a boaster are named and hold nobody up', async () => {
  const { fakes, nodes, standings } = setUp(4, 3);
  await nodes.review();
  fakes[0]!.height = 7;
  expect(await nodes.height()).toBe(10);
  expect(standings()).toEqual(['behind', 'counted', 'counted', 'counted']);
  fakes[0]!.height = 1_000_000;
  await nodes.review();
  expect(await nodes.height()).toBe(10);
  expect(standings()).toEqual(['ahead', 'counted', 'counted', 'counted']);
});

test('what fails at one kind of question for long is said, and does not count meanwhile', async () => {
  const { fakes, agree, nodes, standings } = setUp(3, 2);
  await nodes.review();
  fakes[2]!.answer = refuse(new RpcError('debug_trace', { message: 'method not found' }));
  for (let i = 0; i < 4; i++) await agree();
  expect(standings()[2]).toBe('counted');
  await agree();
  expect(nodes.states()[2]).toMatchObject({ standing: 'away', detail: 'node-3: debug_trace: method not found' });
  fakes[2]!.answer = () => 'true';
  await agree();
  expect(standings()[2]).toBe('counted');
});

test('what a quorum refuses is refused; what a minority refuses is not', async () => {
  const { fakes, agree, nodes, ask } = setUp(3, 2);
  const revert = new RpcError('eth_estimateGas', { message: 'reverted' });
  fakes[0]!.answer = refuse(revert);
  expect(await agree()).toBe('true');
  expect(await nodes.each('kind', ask)).toEqual(['true', 'true']);
  fakes[1]!.answer = refuse(revert);
  await expect(agree()).rejects.toBe(revert);
  await expect(nodes.each('kind', ask)).rejects.toBe(revert);
});

test('a proof counts from whoever brings it; a false one sets aside who gave it', async () => {
  const { fakes, nodes, ask, standings } = setUp(3, 2);
  fakes[0]!.answer = refuse(new Failure('node-proof-invalid', 'forged'));
  expect(await nodes.prove('kind', 'colour', ask)).toBe('true');
  expect(standings()).toEqual(['set-aside', 'counted', 'counted']);
  expect(fakes[2]!.asked).toBe(0);
});

test('a bug is not taken for an endpoint that fails', async () => {
  const { fakes, agree } = setUp(2, 2);
  fakes[0]!.answer = refuse(new TypeError('bug'));
  await expect(agree()).rejects.toThrow('bug');
});
