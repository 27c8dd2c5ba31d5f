import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BalanceResource } from '@holdfast/core/contract/resources.ts';
import { formatUnits } from '@holdfast/core/money/base-units.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { type Devnet, type DevnetOptions, startDevnet } from '@holdfast/devnet/devnet.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { mine } from '@holdfast/devnet/evm/payments.ts';
import { type AssetName, type Customer, decimalsOf, joinCustomer } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { lendDatabase } from './lent-database.ts';
import { preparedProgram } from './signer-program.ts';

/** The whole system for one test file: no block comes unless a test mines it, so that every step can be looked at. */
export interface System extends Devnet {
  mineEvm(blocks?: number): Promise<void>;
  mineBitcoin(blocks?: number): Promise<void>;
  /** Waits until the server has applied what the nodes have. */
  followed(): Promise<void>;
  /** Mines a block on each chain in turn until the probe finds something. */
  mineUntil<T>(what: string, probe: () => Promise<T | null | undefined | false>, withinMs?: number): Promise<T>;
  newCustomer(name: string): Promise<Customer>;
  balance(customer: Customer, asset: AssetName): Promise<BalanceResource>;
  /** Available balance in whole coins. */
  available(customer: Customer, asset: AssetName): Promise<string>;
  /** Fails unless ledger and chain agree to the last base unit. */
  mustBalance(): Promise<void>;
}

let customers = 0;

/** Starts a system in a folder of its own, whose name has a space; `stop` removes it. */
export async function startSystem(options: Partial<DevnetOptions> = {}): Promise<System> {
  const root = mkdtempSync(join(tmpdir(), 'holdfast test-'));
  const prepared = preparedProgram();
  const databaseUrl = await lendDatabase();
  const devnet = await startDevnet({
    folder: join(root, 'data'),
    log: () => undefined,
    pollMs: 50,
    batchWaitMs: 100,
    weakKdf: true,
    policy: relaxPolicy,
    ...(prepared ? { signer: prepared } : {}),
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...options,
  });
  if (!devnet.chains.bitcoin) {
    await devnet.stop();
    throw new Error(`the functional tier needs bitcoind: ${devnet.chains.bitcoinProblem}`);
  }
  const { miner } = devnet.chains.bitcoin;
  const mineEvm = (blocks = 1): Promise<void> => mine({ rpcUrl: devnet.chains.anvil.url, blocks });
  const mineBitcoin = async (blocks = 1): Promise<void> => void (await miner.mine(blocks));
  const applied = async (): Promise<Map<string, string | null>> =>
    new Map((await devnet.client.listNetworks()).data.map((network) => [network.id, network.block_hash]));
  // By hash and not by height: a reorg may leave the height as it was.
  const tips = async (): Promise<Map<string, string>> => {
    const evm = await rpcCall<{ hash: string }>(devnet.chains.anvil.url, 'eth_getBlockByNumber', ['latest', false]);
    return new Map([
      [evmNetworkId, evm.hash],
      [bitcoinNetworkId, await miner.rpc<string>('getbestblockhash')],
    ]);
  };
  return {
    ...devnet,
    mineEvm,
    mineBitcoin,
    followed: async () => {
      await awaitCondition(
        'the server following both chains',
        async () => {
          const [ours, theirs] = [await applied(), await tips()];
          return [...theirs].every(([network, hash]) => ours.get(network) === hash);
        },
        20_000,
        20,
      );
    },
    mineUntil: async (what, probe, withinMs = 60_000) => {
      let mined = 0;
      return awaitCondition(
        what,
        async () => {
          const found = await probe();
          if (found !== null && found !== undefined && found !== false) return found;
          // Slower than the server polls, so that it acts on a block before the next one comes.
          if (mined++ > 0) await sleep(150);
          await mineEvm();
          await mineBitcoin();
          return null;
        },
        withinMs,
        50,
      );
    },
    newCustomer: async (name) => {
      const reference = `test-${name}-${++customers}-${process.pid}`;
      // On a fresh system the signers may still be making the threshold key.
      return awaitCondition('addresses', () => joinCustomer(devnet, name, reference), 30_000);
    },
    balance: (customer, asset) => balanceOf(devnet, customer, asset),
    available: async (customer, asset) =>
      formatUnits(BigInt((await balanceOf(devnet, customer, asset)).available), decimalsOf[asset]),
    mustBalance: async () => {
      const book = await devnet.client.reconcile();
      const wrong = [
        ...book.rows.filter((row) => row.difference !== '0'),
        ...book.trial_balance.filter((row) => row.difference !== '0'),
      ];
      if (!book.balanced || wrong.length > 0) throw new Error(`the books do not balance: ${JSON.stringify(wrong)}`);
    },
    stop: async () => {
      await devnet.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/**
 * What most tests want of version 1: nobody waits for a delay, the integrator's word is worth as much as a passkey, and a
 * signer may be away. What a test gives as `policy` replaces it.
 */
export function relaxPolicy(policy: Policy): void {
  policy.destinations.delay_s = 0;
  policy.credentials.delay_s = 0;
  // A first passkey waits as long as a loosening.
  policy.delays = { tighten_s: 0, loosen_s: 0 };
  for (const network of policy.networks) {
    for (const asset of network.family === 'evm' ? network.assets : [network]) {
      asset.limits.per_hour_max = asset.limits.per_day_max;
      asset.integrator_limits = { ...asset.limits };
      asset.degraded_per_day_max = asset.limits.per_day_max;
      asset.approval_tiers = [];
    }
  }
}

async function balanceOf(devnet: Devnet, customer: Customer, asset: AssetName): Promise<BalanceResource> {
  const found = (await devnet.client.listBalances({ id: customer.id })).data.find((balance) => balance.asset === asset);
  if (!found) throw new Error(`no balance of ${asset}`);
  return found;
}
