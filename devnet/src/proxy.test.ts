import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { allOf, bitcoinBlockHash, bitcoinStuckAt, evmBlockHash, evmStuckAt } from './lies.ts';
import { startRpcProxy, type RpcProxy } from './proxy.ts';

const hashOf = (height: number): string => String(height).padStart(64, '0');
const falseHash = 'f'.repeat(64);

/** A node of the size of a test: answers JSON-RPC from a table, raw text so that decimals keep their zeros. */
const answers: Record<string, (params: unknown[]) => string> = {
  getblockcount: () => '120',
  getblockhash: ([height]) => JSON.stringify(hashOf(Number(height))),
  getblock: ([hash]) =>
    `{"hash":"${String(hash)}","height":${Number(hash)},"previousblockhash":"${hashOf(Number(hash) - 1)}","tx":[{"fee":0.00000001,"vout":[{"value":50.00000000}]}]}`,
  getblockchaininfo: () =>
    `{"blocks":120,"headers":120,"bestblockhash":"${hashOf(120)}","difficulty":4.656542373906925e-10}`,
  eth_blockNumber: () => '"0x78"',
  eth_getBlockByNumber: ([number]) =>
    `{"number":"${String(number)}","hash":"0x${hashOf(Number(number))}","parentHash":"0x${hashOf(Number(number) - 1)}"}`,
};

let node: Server;
let proxy: RpcProxy;
let seen: { path: string | undefined; authorization: string | undefined }[];
let connections: number;

beforeEach(async () => {
  seen = [];
  connections = 0;
  node = createServer((incoming, outgoing) => {
    seen.push({ path: incoming.url, authorization: incoming.headers.authorization });
    let body = '';
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
    incoming.on('end', () => {
      const message = JSON.parse(body) as Call | Call[];
      const text = Array.isArray(message) ? `[${message.map(answer).join(',')}]` : answer(message);
      outgoing.writeHead(200, { 'content-type': 'application/json' }).end(text);
    });
  });
  node.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve));
  proxy = await startRpcProxy({ target: `http://127.0.0.1:${(node.address() as AddressInfo).port}` });
});

afterEach(async () => {
  await proxy.close();
  node.closeAllConnections();
  await new Promise((resolve) => node.close(resolve));
});

interface Call {
  id: number;
  method: string;
  params: unknown[];
}

function answer({ id, method, params }: Call): string {
  const result = answers[method];
  if (result) return `{"result":${result(params)},"error":null,"id":${id}}`;
  return `{"result":null,"error":{"code":-32601,"message":"Method not found"},"id":${id}}`;
}

const post = (body: unknown, path = '/', headers: Record<string, string> = {}): Promise<Response> =>
  fetch(proxy.url + path, { method: 'POST', body: JSON.stringify(body), headers });

async function call(method: string, ...params: unknown[]): Promise<unknown> {
  const reply = (await (await post({ id: 1, method, params })).json()) as { result: unknown };
  return reply.result;
}

describe('without a fault', () => {
  test('passes path, credentials and body through unchanged and counts the requests', async () => {
    const reply = await post({ id: 7, method: 'getblock', params: [hashOf(3)] }, '/wallet/hot', {
      authorization: 'Basic dTpw',
    });
    expect(await reply.text()).toContain('"fee":0.00000001,"vout":[{"value":50.00000000}]');
    expect(seen).toEqual([{ path: '/wallet/hot', authorization: 'Basic dTpw' }]);
    expect(proxy.requestCount()).toBe(1);
  });

  test('keeps the connection to the node open between requests', async () => {
    for (let round = 0; round < 20; round += 1) await call('getblockcount');
    expect(connections).toBe(1);
  });

  test('a node that is away looks away', async () => {
    node.closeAllConnections();
    await new Promise((resolve) => node.close(resolve));
    await expect(call('getblockcount')).rejects.toThrow('fetch failed');
  });
});

describe('a fault', () => {
  test('down destroys connections until it is lifted', async () => {
    proxy.setFault({ kind: 'down' });
    await expect(call('getblockcount')).rejects.toThrow('fetch failed');
    expect(seen).toEqual([]);
    proxy.setFault({ kind: 'none' });
    expect(await call('getblockcount')).toBe(120);
  });

  test('down cuts a request that is under way', async () => {
    proxy.setFault({ kind: 'lag', delayMs: 60_000 });
    const pending = call('getblockcount');
    const outcome = expect(pending).rejects.toThrow('fetch failed');
    while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    proxy.setFault({ kind: 'down' });
    await outcome;
  });

  test('lag delays the answer', async () => {
    proxy.setFault({ kind: 'lag', delayMs: 150 });
    const begin = performance.now();
    expect(await call('getblockcount')).toBe(120);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(145);
  });

  test('lie rewrites single and batched results by method, and leaves errors and every other byte alone', async () => {
    proxy.setFault({
      kind: 'lie',
      lie: (method, params, result) => (method === 'getblockcount' ? [params, result] : result),
    });
    const batch = await post([
      { id: 2, method: 'getblockcount', params: ['x'] },
      { id: 1, method: 'getblock', params: [hashOf(3)] },
      { id: 3, method: 'nonsense', params: [] },
    ]);
    expect(await batch.text()).toBe(
      `[{"result":[["x"],120],"error":null,"id":2},${answer({ id: 1, method: 'getblock', params: [hashOf(3)] })},${answer({ id: 3, method: 'nonsense', params: [] })}]`,
    );
    expect(await call('getblockcount')).toEqual([[], 120]);
  });
});

describe('ready-made lies', () => {
  test('another Bitcoin block hash shows everywhere, decimals stay exact', async () => {
    proxy.setFault({ kind: 'lie', lie: bitcoinBlockHash(100, falseHash) });
    expect(await call('getblockhash', 99)).toBe(hashOf(99));
    expect(await call('getblockhash', 100)).toBe(falseHash);
    expect(await call('getblock', hashOf(101))).toMatchObject({ hash: hashOf(101), previousblockhash: falseHash });
    const text = await (await post({ id: 1, method: 'getblock', params: [hashOf(100)] })).text();
    expect(text).toContain(`"hash":"${falseHash}","height":100`);
    expect(text).toContain('"fee":0.00000001,"vout":[{"value":50.00000000}]');
  });

  test('another EVM block hash shows in the block and in its child', async () => {
    proxy.setFault({ kind: 'lie', lie: evmBlockHash(100, `0x${falseHash}`) });
    expect(await call('eth_getBlockByNumber', '0x64', false)).toMatchObject({ hash: `0x${falseHash}` });
    expect(await call('eth_getBlockByNumber', '0x65', false)).toMatchObject({ parentHash: `0x${falseHash}` });
  });

  test('a node that stands still reports nothing above its height', async () => {
    proxy.setFault({ kind: 'lie', lie: allOf(bitcoinStuckAt(100), evmStuckAt(100)) });
    expect(await call('getblockcount')).toBe(100);
    expect(await call('getblockhash', 101)).toBeNull();
    expect(await call('getblockhash', 100)).toBe(hashOf(100));
    expect(await call('getblockchaininfo')).toMatchObject({ blocks: 100, bestblockhash: hashOf(100) });
    expect(await call('eth_blockNumber')).toBe('0x64');
    expect(await call('eth_getBlockByNumber', '0x65', false)).toBeNull();
    expect(await call('eth_getBlockByNumber', '0x64', false)).toMatchObject({ number: '0x64' });
  });
});
