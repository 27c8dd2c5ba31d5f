import { type ParsedTransaction, parseBitcoinTransaction } from '@holdfast/core/chains/bitcoin/parse-transaction.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { AssetCode } from '@holdfast/core/money/asset.ts';
import type { NetworkId } from '@holdfast/core/money/network.ts';
import { type RpcEndpoint, RpcError } from '../../nodes/json-rpc.ts';
import type { Database } from '../../store/database.ts';
import { ownersOfKeys } from '../../store/deposit-addresses.ts';
import type { WatchIndex } from '../../store/watch-index.ts';
import type { MempoolFunctions, PoolTransaction } from '../network.ts';
import type { BitcoinNode } from './bitcoin-node.ts';

/** What the nodes hold that no block has. RPC names in the body. */
export function bitcoinMempool(
  network: { readonly id: NetworkId; readonly nativeAsset: AssetCode },
  deps: { readonly db: Database; readonly node: BitcoinNode; readonly watch: WatchIndex },
): MempoolFunctions {
  const { nodes } = deps.node;
  return {
    async txids() {
      const pools = await nodes.each('mempool', (endpoint) => endpoint.call<string[]>('getrawmempool', []));
      const counts = new Map<string, number>();
      for (const txid of pools.flatMap((pool) => [...new Set(pool)])) counts.set(txid, (counts.get(txid) ?? 0) + 1);
      const agreed = [...counts].flatMap(([txid, count]) => (count >= nodes.quorum ? [txid] : []));
      return { agreed, any: new Set(counts.keys()) };
    },

    async look(txids) {
      const found = await nodes.prove('mempool', 'unconfirmed transactions', (endpoint) => read(endpoint, txids));
      const scripts = found.flatMap(({ outputs }) => outputs.map(({ script }) => script));
      const owners = await ownersOfKeys(deps.db, network.id, await deps.watch.among([...new Set(scripts)]));
      return found.map(({ txid, inputs, outputs }): PoolTransaction => {
        const spends = inputs.map((input) => `${input.txid}:${input.vout}`);
        const payments = outputs.flatMap(({ script, amountSats }, vout) => {
          const owner = owners.get(script);
          if (owner?.kind !== 'deposit' || amountSats === 0n) return [];
          const { addressId, customerId } = owner;
          const asset = network.nativeAsset;
          return [{ txid, index: `vout:${vout}`, asset, addressId, customerId, amount: amountSats, inputs: spends }];
        });
        return { txid, spends, payments };
      });
    },

    async anySpent(outpoints) {
      const unspent = await nodes.agree(
        'coins',
        'coins of an unconfirmed payment',
        (endpoint) =>
          Promise.all(
            outpoints.map(async (outpoint) => {
              const [txid, vout] = outpoint.split(':');
              return (await endpoint.call<object | null>('gettxout', [txid, Number(vout), true])) !== null;
            }),
          ),
        false,
      );
      return unspent.includes(false);
    },
  };
}

/** Transactions of a pool; without what has left it meanwhile. @throws Failure node-proof-invalid for another one than asked for. */
async function read(endpoint: RpcEndpoint, txids: readonly string[]): Promise<ParsedTransaction[]> {
  const answers = await endpoint.tryBatch(txids.map((txid) => ({ method: 'getrawtransaction', params: [txid] })));
  return answers.flatMap((answer, at) => {
    if (answer instanceof RpcError) return [];
    let parsed: ParsedTransaction;
    try {
      parsed = parseBitcoinTransaction(String(answer));
    } catch (error) {
      if (error instanceof Failure && error.code === 'transaction-malformed') return [];
      throw error;
    }
    if (parsed.txid === txids[at]) return [parsed];
    throw new Failure('node-proof-invalid', `${endpoint.name} sent transaction ${parsed.txid} for ${txids[at]}`);
  });
}
