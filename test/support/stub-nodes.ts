import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A coin as a Bitcoin node reports it. */
export interface StubCoin {
  readonly amountSats: bigint;
  readonly script: string;
  readonly confirmations: number;
  readonly coinbase?: boolean;
}

/** Just enough JSON-RPC to be a signer's chain node; change its fields while it runs. */
export interface StubNode {
  readonly url: string;
  height: number;
  /** By `txid:vout`. */
  readonly coins: Map<string, StubCoin>;
  safeNonce: bigint;
  /** The Safe's executed transactions, hash without 0x. */
  executions: { height: number; safeTxHash: string }[];
  chainId: bigint;
  owners: readonly string[];
  threshold: bigint;
  /** Answers nothing when set. */
  down: boolean;
  stop(): Promise<void>;
}

export async function startStubNode(): Promise<StubNode> {
  const node = {
    height: 200,
    coins: new Map<string, StubCoin>(),
    safeNonce: 0n,
    executions: [] as { height: number; safeTxHash: string }[],
    chainId: 31_337n,
    owners: [] as readonly string[],
    threshold: 2n,
    down: false,
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (node.down) {
        response.destroy();
        return;
      }
      const calls = JSON.parse(Buffer.concat(chunks).toString()) as { id: number; method: string; params: unknown[] }[];
      response.end(
        JSON.stringify(
          calls.map(({ id, method, params }) => ({ jsonrpc: '2.0', id, result: answer(node, method, params) })),
        ),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://user:password@127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return Object.assign(node, { url, stop: async () => close(server) });
}

function answer(node: Omit<StubNode, 'url' | 'stop'>, method: string, params: unknown[]): unknown {
  if (method === 'getblockcount') return node.height;
  if (method === 'gettxout') {
    const coin = node.coins.get(`${String(params[0])}:${String(params[1])}`);
    if (!coin) return null;
    const value = Number(coin.amountSats) / 1e8;
    return {
      bestblock: '',
      confirmations: coin.confirmations,
      value,
      scriptPubKey: { hex: coin.script },
      coinbase: coin.coinbase ?? false,
    };
  }
  if (method === 'eth_blockNumber') return `0x${node.height.toString(16)}`;
  if (method === 'eth_getLogs') {
    const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string };
    return node.executions
      .filter(({ height }) => height >= Number(fromBlock) && height <= Number(toBlock))
      .map(({ safeTxHash }) => ({ topics: ['0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e', `0x${safeTxHash}`] }));
  }
  if (method === 'eth_chainId') return `0x${node.chainId.toString(16)}`;
  if (method === 'eth_call') {
    const { data } = params[0] as { data: string };
    if (data === '0xaffed0e0') return `0x${word(node.safeNonce)}`;
    if (data === '0xe75235b8') return `0x${word(node.threshold)}`;
    if (data === '0xa0e67e2b')
      return `0x${word(32n)}${word(BigInt(node.owners.length))}${node.owners.map((owner) => word(BigInt(owner))).join('')}`;
  }
  return undefined;
}

function word(value: bigint): string {
  return value.toString(16).padStart(64, '0');
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
