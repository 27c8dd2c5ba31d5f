import { headerBytes, parseBitcoinHeader } from '@holdfast/core/chains/bitcoin/block-header.ts';
import { type ParsedBlock, parseBitcoinBlock } from '@holdfast/core/chains/bitcoin/parse-block.ts';
import { middleOf } from '@holdfast/core/chains/quorum-answer.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { openEndpoints } from '../../nodes/endpoints.ts';
import { type RpcEndpoint, RpcError } from '../../nodes/json-rpc.ts';

const satsPerBtc = 8;

/** Exact satoshis of a node's JSON number of coins, which prints at most 8 decimals. */
export function satsOf(coins: number): bigint {
  return BigInt(coins.toFixed(satsPerBtc).replace('.', ''));
}

const hashOf = (endpoint: RpcEndpoint, height: number): Promise<string> =>
  endpoint.call<string>('getblockhash', [height]);

/**
 * Reads of a Bitcoin node, each agreed by a quorum of the endpoints unless said otherwise. RPC names in the body.
 * @param rules see EndpointsOptions; `easiestBits`: see `parseBitcoinHeader`, null where the policy names none.
 */
export function bitcoinNode(
  endpoints: readonly RpcEndpoint[],
  rules: { quorum: number; returnAfterBlocks: number; easiestBits: string | null },
) {
  const { easiestBits } = rules;
  const nodes = openEndpoints(endpoints, {
    ...rules,
    heightOf: (endpoint) => endpoint.call<number>('getblockcount', []),
    hashOf,
  });

  return {
    nodes,
    /** Height that a quorum has reached. */
    height: () => nodes.height(),

    async hashAt(height: number): Promise<string> {
      return nodes.agree('hash', `hash of block ${height}`, (endpoint) => hashOf(endpoint, height));
    },

    /** A block whose hash is agreed on. Any endpoint may bring it: work, hash and merkle root are checked. */
    async block(hash: string): Promise<ParsedBlock> {
      return nodes.prove('content', `content of block ${hash}`, async (endpoint) => {
        const raw = await endpoint.call<string>('getblock', [hash, 0]);
        if (easiestBits !== null) parseBitcoinHeader(raw.slice(0, 2 * headerBytes), easiestBits);
        try {
          return parseBitcoinBlock(raw, hash);
        } catch (error) {
          // Bytes that do not decode are the endpoint's fault.
          if (!(error instanceof Failure) || error.code !== 'transaction-malformed') throw error;
          throw new Failure('node-proof-invalid', error.message, { cause: error });
        }
      });
    },

    /**
     * Satoshi a virtual byte for confirmation within six blocks: the middle of what endpoints say. Without data of a
     * quorum it is `fallback`, or less where an endpoint knows of less: signers measure a fee by their own nodes' estimate,
     * and one that turns out too low can be raised.
     */
    async feeRate(fallback: number): Promise<number> {
      const estimates = await nodes.each('estimate of fees', (endpoint) =>
        endpoint.call<{ feerate?: number }>('estimatesmartfee', [6]),
      );
      // A node answers coins per 1,000 virtual bytes.
      const rates = estimates.flatMap(({ feerate }) => (feerate === undefined ? [] : [satsOf(feerate)]));
      const middle = middleOf(rates);
      if (middle === null) return fallback;
      const rate = Math.ceil(Number(middle) / 1000);
      return rates.length < nodes.quorum ? Math.min(rate, fallback) : rate;
    },

    /**
     * Sum of unspent outputs to the scripts (hex) at the endpoints' tip, in satoshi.
     * @throws Failure node-quorum-lost while they are at different blocks.
     */
    async holdings(scripts: readonly string[]): Promise<{ height: number; bestBlock: string; sats: bigint }> {
      const wanted = scripts.map((script) => `raw(${script})`);
      const found = await nodes.agree(
        'coins',
        `coins of ${scripts.length} scripts`,
        async (endpoint) => {
          const { height, bestblock, total_amount: total } = await scan(endpoint, wanted);
          return { height, bestBlock: bestblock, sats: satsOf(total).toString() };
        },
        false,
      );
      return { ...found, sats: BigInt(found.sats) };
    },

    /**
     * The unspent outputs to the scripts (hex) at the endpoints' tip, in satoshi.
     * @throws Failure node-quorum-lost while they are at different blocks.
     */
    async coins(scripts: readonly string[]): Promise<UnspentOutputs> {
      const wanted = scripts.map((script) => `raw(${script})`);
      return nodes.agree(
        'coins',
        `coins of ${scripts.length} scripts`,
        async (endpoint) => {
          const { height, bestblock, unspents } = await scan(endpoint, wanted);
          const coins = unspents.map(({ txid, vout, scriptPubKey: script, amount, coinbase }) => {
            return { txid, vout, script, sats: satsOf(amount).toString(), coinbase };
          });
          const order = coins.toSorted((a, b) => (a.txid === b.txid ? a.vout - b.vout : a.txid < b.txid ? -1 : 1));
          return { height, bestBlock: bestblock, coins: order };
        },
        false,
      );
    },
  };
}
export type BitcoinNode = ReturnType<typeof bitcoinNode>;

/** A scan reads every unspent output of the chain, and a node does one at a time. */
const scanWithinMs = 600_000;
const busyTries = 20;
const busyWaitMs = 250;

async function scan(endpoint: RpcEndpoint, wanted: readonly string[]): Promise<Scan> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await endpoint.call<Scan>('scantxoutset', ['start', wanted], scanWithinMs);
    } catch (error) {
      if (!(error instanceof RpcError) || !error.message.includes('in progress')) throw error;
      if (attempt === busyTries) throw new Failure('node-unavailable', `${endpoint.name}: ${error.message}`);
    }
    await new Promise((resolve) => setTimeout(resolve, busyWaitMs));
  }
}

interface Scan {
  readonly height: number;
  readonly bestblock: string;
  readonly total_amount: number;
  readonly unspents: readonly {
    readonly txid: string;
    readonly vout: number;
    readonly scriptPubKey: string;
    readonly amount: number;
    readonly coinbase: boolean;
  }[];
}

interface UnspentOutputs {
  readonly height: number;
  readonly bestBlock: string;
  /** `sats` in decimal, so that the answers of endpoints compare. */
  readonly coins: readonly {
    readonly txid: string;
    readonly vout: number;
    readonly script: string;
    readonly sats: string;
    readonly coinbase: boolean;
  }[];
}
