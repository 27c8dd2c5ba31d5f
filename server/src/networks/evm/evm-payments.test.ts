import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { type RpcCall, rpcEndpoint } from '../../nodes/json-rpc.ts';
import { evmNode } from './evm-node.ts';
import { evmPayments } from './evm-payments.ts';

const stops: (() => void)[] = [];
afterEach(() => stops.splice(0).forEach((stop) => stop()));

const safe = `0x${'a1'.repeat(20)}`;
const word = (value: bigint): string => value.toString(16).padStart(64, '0');
/** A destination that the simulation finds reverting. */
const reverting = `0x${'dd'.repeat(20)}`;

type Asked = RpcCall & { readonly id: number };

/** A node whose simulations succeed but for one destination. @returns its URL, and the methods of each request to it. */
async function startNode(): Promise<{ url: string; requests: string[][] }> {
  const requests: string[][] = [];
  const answer = ({ method, params }: RpcCall): object => {
    if (method === 'eth_blockNumber') return { result: '0x10' };
    if (method === 'eth_getBlockByNumber') return { result: { hash: `0x${'0b'.repeat(32)}` } };
    if (method === 'eth_getBalance') return { result: `0x${(10n ** 20n).toString(16)}` };
    const { data } = params[0] as { data: string };
    // nonce() of the Safe; all else is simulateAndRevert.
    if (data === '0xaffed0e0') return { result: `0x${word(3n)}` };
    const succeeded = data.includes(reverting.slice(2)) ? 0n : 1n;
    return { error: { code: 3, message: 'execution reverted', data: `0x${word(succeeded)}${word(0n)}` } };
  };
  const reply = async (incoming: IncomingMessage): Promise<string> => {
    const asked = JSON.parse(await text(incoming)) as Asked | Asked[];
    const calls = Array.isArray(asked) ? asked : [asked];
    requests.push(calls.map(({ method }) => method));
    const replies = calls.map((call) => ({ id: call.id, ...answer(call) }));
    return JSON.stringify(Array.isArray(asked) ? replies : replies[0]);
  };
  const server = createServer((incoming, outgoing) => void reply(incoming).then((body) => outgoing.end(body)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => server.close().closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

test('a batch of 100 is looked at in a handful of requests, and the payout that reverts is set aside', async () => {
  const { url, requests } = await startNode();
  const node = evmNode([rpcEndpoint(url)], { quorum: 1, returnAfterBlocks: 6 });
  const config = { id: 'eip155:31337', safe, multi_send: safe, assets: [{ asset: 'ETH', contract: null }] };
  const { surveyBatch } = evmPayments(config as never, {
    node,
    gas: { address: safe } as never,
    sweepGas: null as never,
    panel: null as never,
    now: () => 0,
  });
  const payouts = Array.from({ length: 100 }, (_, n) => ({
    id: `${n}`,
    asset: 'ETH' as never,
    amount: baseUnits(1n),
    destination: n === 41 ? reverting : `0x${n.toString(16).padStart(40, 'e')}`,
    expiresAtMs: 1_000,
  }));
  const outlook = await surveyBatch(payouts);
  expect(outlook.payable).toHaveLength(99);
  expect(outlook.impossible).toEqual([{ id: '41', reason: expect.stringContaining('destination-reverts') }]);
  // Height, hash, balance, simulations, nonce: not one for each payout.
  expect(requests.length).toBeLessThanOrEqual(5);
  expect(requests.flat().filter((method) => method === 'eth_call')).toHaveLength(101);
});
