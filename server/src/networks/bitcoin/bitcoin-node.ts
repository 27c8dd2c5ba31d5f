import { commonHeight, type EndpointHeight } from '@holdfast/core/chains/endpoint-heights.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { agree } from '../../nodes/agree.ts';
import type { RpcEndpoint } from '../../nodes/json-rpc.ts';

const satsPerBtc = 8;

/** Exact satoshis of a node's JSON number of coins, which prints at most 8 decimals. */
export function satsOf(coins: number): bigint {
  return BigInt(coins.toFixed(satsPerBtc).replace('.', ''));
}

/** Reads of a Bitcoin node, each agreed by all endpoints unless said otherwise. RPC names in the body. */
export function bitcoinNode(endpoints: readonly RpcEndpoint[]) {
  const [primary] = endpoints;
  if (!primary) throw new Failure('config-invalid', 'a Bitcoin network needs an endpoint');

  return {
    async heights(): Promise<EndpointHeight[]> {
      return Promise.all(
        endpoints.map(async (endpoint) => ({
          endpoint: endpoint.name,
          height: await endpoint.call<number>('getblockcount', []),
        })),
      );
    },

    /** Height that every endpoint has reached. */
    async height(): Promise<number> {
      return commonHeight(await this.heights());
    },

    async hashAt(height: number): Promise<string> {
      return agree(endpoints, `hash of block ${height}`, (endpoint) => endpoint.call<string>('getblockhash', [height]));
    },

    /** The raw block, hex. One endpoint suffices: the content is checked against the hash that all agreed on. */
    async rawBlock(hash: string): Promise<string> {
      return primary.call<string>('getblock', [hash, 0]);
    },

    /** Satoshi a virtual byte for confirmation within six blocks; null when the node has no data. */
    async feeRate(): Promise<number | null> {
      const estimate = await primary.call<{ feerate?: number }>('estimatesmartfee', [6]);
      // The node answers coins per 1,000 virtual bytes.
      return estimate.feerate === undefined ? null : Math.ceil(Number(satsOf(estimate.feerate)) / 1000);
    },

    /** Sum of unspent outputs to the scripts (hex) at the node's tip, in satoshi, with the tip's height. */
    async holdings(scripts: readonly string[]): Promise<{ height: number; bestBlock: string; sats: bigint }> {
      const found = await primary.call<{ height: number; bestblock: string; total_amount: number }>('scantxoutset', [
        'start',
        scripts.map((script) => `raw(${script})`),
      ]);
      return { height: found.height, bestBlock: found.bestblock, sats: satsOf(found.total_amount) };
    },
  };
}
export type BitcoinNode = ReturnType<typeof bitcoinNode>;
