import type { BitcoinNetwork } from '../../config.ts';
import type { NetworkCosts } from '../network.ts';
import type { BitcoinNode } from './bitcoin-node.ts';

/** Virtual bytes of an input of the wallet (docs/adr/0021), of two outputs of the largest usual kind, and of the rest. */
const inputVbytes = { taproot: 58n, multisig: 109n } as const;
const outputVbytes = 43n;
const frameVbytes = 11n;

/** What payments and the spending of deposits cost now, by the node's estimate or, without one, the configured rate. */
export function bitcoinCosts(
  config: BitcoinNetwork,
  node: BitcoinNode,
  isMultisig: boolean,
): () => Promise<NetworkCosts> {
  const input = isMultisig ? inputVbytes.multisig : inputVbytes.taproot;
  return async () => {
    const feeRate = BigInt(await node.feeRate(config.fee_rate_default));
    return {
      feeRate,
      feeRateMax: BigInt(config.fee_rate_max),
      payment: () => feeRate * (frameVbytes + input + 2n * outputVbytes),
      collection: () => feeRate * input,
    };
  };
}
