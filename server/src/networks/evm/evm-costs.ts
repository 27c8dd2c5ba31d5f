import type { EvmNetwork } from '../../config.ts';
import type { NetworkCosts } from '../network.ts';
import type { EvmNode } from './evm-node.ts';

/** Gas of one payment by the Safe alone in its batch, and of collecting one forwarder, rounded up from the devnet's receipts. */
const gasOf = {
  payment: { native: 130_000n, token: 150_000n },
  collection: { native: 150_000n, token: 180_000n },
} as const;

/** What payments and collections cost now: the base fee and tip of the dearest endpoint. */
export function evmCosts(config: EvmNetwork, node: EvmNode): () => Promise<NetworkCosts> {
  const kindOf = new Map(
    config.assets.map((rule) => [rule.asset, rule.contract === null ? ('native' as const) : ('token' as const)]),
  );
  return async () => {
    const { baseFee, tip } = await node.fees();
    const feeRate = baseFee + tip;
    return {
      feeRate,
      feeRateMax: BigInt(config.max_fee_per_gas),
      payment: (asset) => feeRate * gasOf.payment[kindOf.get(asset) ?? 'token'],
      collection: (asset) => feeRate * gasOf.collection[kindOf.get(asset) ?? 'token'],
    };
  };
}
