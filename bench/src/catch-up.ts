import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encodeMultiSend } from '@holdfast/core/chains/evm/build.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { startBitcoind } from '@holdfast/devnet/bitcoin/start.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { startPostgres } from '@holdfast/devnet/postgres.ts';
import { startSupervisor } from '@holdfast/devnet/processes.ts';
import { followChain } from '@holdfast/server/jobs/follow-chain.ts';
import { bitcoinNetwork } from '@holdfast/server/networks/bitcoin/bitcoin-network.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { rpcEndpoint } from '@holdfast/server/nodes/json-rpc.ts';
import { type Database, openDatabase } from '@holdfast/server/store/database.ts';
import { migrate } from '@holdfast/server/store/migrate.ts';
import { startVaultDevnet } from '../../test/support/anvil.ts';
import { assetRule, depositContext, evmStageNetwork } from '../../test/support/deposit-stage.ts';
import { mineFullBlocks } from './full-blocks.ts';
import { type BenchResult, median, tableOf } from './result.ts';

const bitcoinId = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const evmId = 'eip155:31337';
const bitcoinBlocks = 24;
const evmBlocks = 60;
const transactionsPerEvmBlock = 10;
const paymentsPerTransaction = 20;
const rounds = 5;
const shareMin = 0.5;

/**
 * A server that was away: blocks followed, one commit each, beside the rate at which the node hands out the same blocks to
 * somebody who only reads the answer. Both by one connection, in turn, round by round.
 */
export async function run(): Promise<BenchResult[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-bench-catch-up-'));
  const postgres = await startPostgres({ dataDir: path.join(folder, 'postgres'), diesWithCaller: true });
  const db = openDatabase(postgres.url, { connectionsMax: 4 });
  try {
    await migrate(db);
    return [...(await bitcoin(db, folder)), ...(await evm(db))];
  } finally {
    await db.close();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function bitcoin(db: Database, folder: string): Promise<BenchResult[]> {
  const supervisor = await startSupervisor({ runDir: path.join(folder, 'run') });
  try {
    const node = await startBitcoind({ supervisor, name: 'bitcoin-1', dataDir: path.join(folder, 'bitcoin-1') });
    const { first, last } = await mineFullBlocks(node.rpc, bitcoinBlocks);
    const url = new URL(node.rpcUrl);
    [url.username, url.password] = [node.user, node.password];
    const endpoint = rpcEndpoint(url.href);
    const hashes = await hashesOf(first, last, (height) => node.rpc<string>('getblockhash', [height]));
    const row = {
      id: bitcoinId,
      family: 'bitcoin',
      endpoints: [url.href],
      start_height: first,
      final_confirmations: 6,
    };
    const config = { ...row, cold_keys: [], fee_rate_default: 1, fee_rate_max: 100, assets: [assetRule('BTC', null)] };
    const make = (): Network =>
      bitcoinNetwork(config as unknown as Parameters<typeof bitcoinNetwork>[0], {
        db,
        panel: null as never,
        nativeAsset: 'BTC',
        multisig: null,
        consolidation: undefined,
        easiestBits: '207fffff',
        coldAddresses: [],
      });
    const fetchOne = (hash: string): Promise<unknown> => endpoint.call('getblock', [hash, 0]);
    return await compare(db, 'bitcoind, 5,000 outputs a block', { hashes, make, fetchOne });
  } finally {
    await supervisor.stopAll();
  }
}

async function evm(db: Database): Promise<BenchResult[]> {
  const devnet = await startVaultDevnet();
  try {
    const from = (await rpcCall<string[]>(devnet.url, 'eth_accounts'))[9]!;
    const first = Number(await rpcCall<string>(devnet.url, 'eth_blockNumber')) + 1;
    await rpcCall(devnet.url, 'evm_setAutomine', [false]);
    for (let block = 0, paid = 0; block < evmBlocks; block++) {
      for (let sent = 0; sent < transactionsPerEvmBlock; sent++) {
        const legs = Array.from({ length: paymentsPerTransaction }, () => {
          const to = `0x${(0x1000_0000 + paid++).toString(16).padStart(40, 'a')}`;
          return { kind: 'native', to, amount: baseUnits(1n) } as const;
        });
        const value = `0x${paymentsPerTransaction.toString(16)}`;
        const call = {
          from,
          to: devnet.deployment.multiSend,
          data: encodeMultiSend(legs, null),
          value,
          gas: '0x200000',
        };
        await rpcCall(devnet.url, 'eth_sendTransaction', [call]);
      }
      await rpcCall(devnet.url, 'evm_mine');
    }
    const endpoint = rpcEndpoint(devnet.url);
    const hashes = await hashesOf(first, first + evmBlocks - 1, async (height) => {
      const asked = ['eth_getBlockByNumber', [`0x${height.toString(16)}`, false]] as const;
      return (await endpoint.call<{ hash: string }>(...asked)).hash;
    });
    const make = (): Network =>
      evmStageNetwork(depositContext({ db } as never), devnet, { id: evmId, startHeight: first });
    const fetchOne = (hash: string): Promise<unknown> =>
      endpoint.batch([
        { method: 'eth_getBlockByHash', params: [hash, false] },
        { method: 'eth_getBlockReceipts', params: [hash] },
        { method: 'debug_traceBlockByHash', params: [hash, { tracer: 'callTracer' }] },
      ]);
    const what = `anvil, ${transactionsPerEvmBlock * paymentsPerTransaction} payments a block`;
    return await compare(db, what, { hashes, make, fetchOne });
  } finally {
    await devnet.stop();
  }
}

async function hashesOf(first: number, last: number, hashAt: (height: number) => Promise<string>): Promise<string[]> {
  return Promise.all(Array.from({ length: last - first + 1 }, (_, at) => hashAt(first + at)));
}

async function compare(
  db: Database,
  what: string,
  node: { hashes: readonly string[]; make: () => Network; fetchOne: (hash: string) => Promise<unknown> },
): Promise<BenchResult[]> {
  const { hashes, make, fetchOne } = node;
  const ctx = depositContext({ db } as never);
  const [own, followed]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    const startMs = performance.now();
    for (const hash of hashes) await fetchOne(hash);
    const readMs = performance.now();
    const network = make();
    let applied = 0;
    for (let more = 1; more > 0; applied += more) more = await followChain(ctx, network);
    const endMs = performance.now();
    invariant(applied === hashes.length, `${applied} of ${hashes.length} blocks were followed`);
    await db.query('delete from block where network = $1', [network.id]);
    // The first round warms both up.
    if (round === 0) continue;
    own.push((hashes.length / (readMs - startMs)) * 1_000);
    followed.push((hashes.length / (endMs - readMs)) * 1_000);
  }
  const shares = followed.map((rate, at) => rate / own[at]!);
  const spread = `${Math.min(...shares).toFixed(2)} to ${Math.max(...shares).toFixed(2)} in ${rounds} rounds of ${hashes.length}`;
  return [
    { name: `${what}: followed`, value: median(followed), unit: 'blocks/s' },
    { name: `${what}: the node alone, same answers read`, value: median(own), unit: 'blocks/s' },
    {
      name: `${what}: followed beside the node alone`,
      value: median(shares),
      unit: 'x',
      target: { min: shareMin },
      note: spread,
    },
  ];
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
