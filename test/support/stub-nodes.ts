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
  /** Two endpoints of the same chain. */
  readonly urls: readonly [string, string];
  height: number;
  /** By `txid:vout`. */
  readonly coins: Map<string, StubCoin>;
  /** Confirmations of Bitcoin transactions, by txid. */
  readonly confirmed: Map<string, number>;
  safeNonce: bigint;
  /** The Safe's executed transactions, hash without 0x. */
  executions: { height: number; safeTxHash: string; log?: object }[];
  /** Block `finalized`; null: the tag is not answered. */
  finalized: number | null;
  version: string;
  /** Where set, the second endpoint's results go through it. */
  lie: ((method: string, result: unknown) => unknown) | null;
  /** Methods asked for since the start, by both endpoints. */
  readonly asked: string[];
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
    confirmed: new Map<string, number>(),
    safeNonce: 0n,
    executions: [] as StubNode['executions'],
    finalized: null as number | null,
    version: '1.5.0',
    lie: null as StubNode['lie'],
    asked: [] as string[],
    chainId: 31_337n,
    owners: [] as readonly string[],
    threshold: 2n,
    down: false,
  };
  const servers = [false, true].map((mayLie) => serverOf(node, mayLie));
  const [first, second] = await Promise.all(servers.map(listen));
  const stop = async (): Promise<void> => void (await Promise.all(servers.map(close)));
  return Object.assign(node, { urls: [first ?? '', second ?? ''] as const, stop });
}

type StubState = Omit<StubNode, 'urls' | 'stop'>;

function serverOf(node: StubState, mayLie: boolean): Server {
  return createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (node.down) {
        response.destroy();
        return;
      }
      const calls = JSON.parse(Buffer.concat(chunks).toString()) as { id: number; method: string; params: unknown[] }[];
      const results = calls.map(({ id, method, params }) => {
        node.asked.push(method);
        const truth = answer(node, method, params);
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

function answer(node: StubState, method: string, params: unknown[]): unknown {
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
  if (method === 'getrawtransaction') {
    const txid = String(params[0]);
    const confirmations = node.confirmed.get(txid);
    return confirmations === undefined ? undefined : { txid, confirmations };
  }
  if (method === 'eth_blockNumber') return `0x${node.height.toString(16)}`;
  if (method === 'eth_getBlockByNumber') {
    return node.finalized === null ? undefined : { number: `0x${node.finalized.toString(16)}` };
  }
  if (method === 'eth_getLogs') {
    const { address, fromBlock, toBlock } = params[0] as { address: string; fromBlock: string; toBlock: string };
    return node.executions
      .filter(({ height }) => height >= Number(fromBlock) && height <= Number(toBlock))
      .map(({ height, safeTxHash, log }) => ({
        address: address.toLowerCase(),
        blockNumber: `0x${height.toString(16)}`,
        removed: false,
        topics: ['0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e', `0x${safeTxHash}`],
        ...log,
      }));
  }
  if (method === 'eth_chainId') return `0x${node.chainId.toString(16)}`;
  if (method === 'eth_call') {
    const { data } = params[0] as { data: string };
    if (data === '0xaffed0e0') return `0x${word(node.safeNonce)}`;
    if (data === '0xe75235b8') return `0x${word(node.threshold)}`;
    if (data === '0xffa1ad74') {
      const text = Buffer.from(node.version).toString('hex');
      return `0x${word(32n)}${word(BigInt(node.version.length))}${text.padEnd(64, '0')}`;
    }
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
