import { Failure } from '@holdfast/core/failure.ts';
import type { EvmNetwork } from '../../config.ts';
import { RpcError } from '../../nodes/json-rpc.ts';
import type { Network } from '../network.ts';
import type { EvmNode } from './evm-node.ts';
import { tokenFacts } from './token-facts.ts';

/** The largest uint256. */
const wordMax = 2n ** 256n - 1n;

/** What is asked about tokens that are not listed, or are about to be. */
export function tokenReads(config: EvmNetwork, node: EvmNode): Pick<Network, 'holdingOf' | 'listing'> {
  return {
    async holdingOf(contract, address) {
      const height = await node.height();
      const hash = await node.hashAt(height);
      try {
        const amount = await node.tokenHolding(contract, address, hash);
        if (amount <= wordMax) return { amount, height };
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
      }
      // Whoever makes a token writes what it answers.
      throw new Failure('invalid-request', `${contract} answers no balance of ${address}`, { pointer: '/contract' });
    },
    listing: {
      token: (contract) => tokenFacts(config, node.nodes, contract),
      guardRoom: async (contract) => {
        if (config.guard === undefined) return null;
        const room = await node.guardRoom(config.guard, [contract], await node.hashAt(await node.height()));
        return room === null ? 'paused' : room[0]!;
      },
    },
  };
}
