import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  addStubCoin,
  addStubSpend,
  stubBitcoinChain,
  type StubBitcoinState,
  type StubCoin,
} from './stub-bitcoin-chain.ts';
import { stubEvmChain, type EvmChain, type StubDeposit, type StubEvmState } from './stub-evm-chain.ts';

export type { StubCoin } from './stub-bitcoin-chain.ts';

/** Where stubs have their Safe and its singleton, unless told otherwise. */
export const stubSafe = '0x00000000000000000000000000000000000000A5';
export const stubSingleton = '0x00000000000000000000000000000000000000E5';
const none = `0x${'0'.repeat(40)}`;

interface StubState extends StubEvmState, StubBitcoinState {
  /** Where set, the second endpoint's results go through it. */
  lie: ((method: string, result: unknown) => unknown) | null;
  /** Methods asked for since the start, by both endpoints. */
  readonly asked: string[];
  /** Answers nothing when set. */
  down: boolean;
}

/** A signer's chain nodes of both families, whose answers can be proven; change its fields while it runs. */
export interface StubNode extends StubState {
  /** Two endpoints of the same chain. */
  readonly urls: readonly [string, string];
  /** Puts an unspent coin into a block, 6 deep and at output 1 when left out. */
  addCoin(coin: Parameters<typeof addStubCoin>[1]): { txid: string; vout: number };
  /** Spends a coin in a block; gives the txid. */
  addSpend(coin: { readonly txid: string; readonly vout: number }, confirmations?: number): string;
  stop(): Promise<void>;
}

export async function startStubNode(): Promise<StubNode> {
  const node: StubState = {
    height: 200,
    coins: new Map<string, StubCoin>(),
    rawTransactions: new Map<string, string>(),
    confirmed: new Map<string, number>(),
    feeRateSatVb: null,
    safe: stubSafe,
    singleton: stubSingleton,
    owners: [],
    threshold: 2n,
    safeNonce: 0n,
    guard: none,
    handler: none,
    modules: [],
    moduleGuard: none,
    executions: [],
    deposits: [] as StubDeposit[],
    finalized: null,
    chainId: 31_337n,
    lie: null,
    asked: [],
    down: false,
  };
  const bitcoin = stubBitcoinChain(node);
  const evm = stubEvmChain(node);
  const servers = [false, true].map((mayLie) =>
    serverOf(node, (method) => (method.startsWith('eth_') ? evm() : bitcoin()), mayLie),
  );
  const [first, second] = await Promise.all(servers.map(listen));
  return Object.assign(node, {
    urls: [first ?? '', second ?? ''] as const,
    addCoin: (coin: Parameters<typeof addStubCoin>[1]) => addStubCoin(node, coin),
    addSpend: (coin: { txid: string; vout: number }, confirmations?: number) => addStubSpend(node, coin, confirmations),
    stop: async () => void (await Promise.all(servers.map(close))),
  });
}

function serverOf(node: StubState, chainOf: (method: string) => ReturnType<EvmChain>, mayLie: boolean): Server {
  return createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (node.down) {
        response.destroy();
        return;
      }
      const calls = JSON.parse(Buffer.concat(chunks).toString()) as { id: number; method: string; params: unknown[] }[];
      // A batch is of one family.
      const answer = chainOf(calls[0]?.method ?? '');
      const results = calls.map(({ id, method, params }) => {
        node.asked.push(method);
        const truth = answer(method, params);
        return { jsonrpc: '2.0', id, result: mayLie && node.lie ? node.lie(method, truth) : truth };
      });
      response.end(JSON.stringify(results));
    });
  });
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://user:password@127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
