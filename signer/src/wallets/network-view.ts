import { familyOf } from '@holdfast/core/money/network.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { JournalState } from '@holdfast/core/signing/journal-state.ts';
import { lowestBitcoinTip } from '../nodes/bitcoin-proofs.ts';
import { readSafe } from '../nodes/evm-node.ts';
import type { SendRpc } from '../nodes/json-rpc.ts';
import { readBitcoinSpends } from '../nodes/read-bitcoin-spends.ts';
import { readSafeExecutions } from '../nodes/read-safe-executions.ts';
import { bitcoinPolicyOf, evmPolicyOf } from '../review/review-context.ts';
import type { TranscriptStore } from '../transcripts/transcript-store.ts';
import { createOwnScripts } from '../watcher/own-scripts.ts';
import type { NetworkView } from '../watcher/watch-network.ts';
import { multisigScripts } from './multisig-wallet.ts';

/** What the watcher asks this signer's own nodes about one network. */
export function networkView(
  name: string,
  endpoints: readonly SendRpc[],
  deps: {
    readonly policy: () => Policy;
    readonly state: JournalState;
    readonly transcripts: Pick<TranscriptStore, 'read'>;
  },
): NetworkView {
  const { policy, state, transcripts } = deps;
  if (familyOf(name) === 'evm') {
    const network = (): ReturnType<typeof evmPolicyOf> => evmPolicyOf(policy(), name);
    return {
      tip: async () => (await readSafe(endpoints, network())).height,
      outflows: async (from, to) => readSafeExecutions(endpoints, network(), from, to),
      finalityBlocks: () => network().finality_blocks,
    };
  }
  const own = createOwnScripts(name, state, transcripts);
  const network = (): ReturnType<typeof bitcoinPolicyOf> => bitcoinPolicyOf(policy(), name);
  return {
    tip: async () => lowestBitcoinTip(endpoints),
    outflows: async (from, to) => {
      await own.refresh();
      const { wallet } = network();
      // A refill goes there before any change does.
      const change = wallet && multisigScripts(wallet, name).changeScript;
      const isOwn = (script: string): boolean => script === change || own.has(script);
      const spends = await readBitcoinSpends(endpoints, from, to, isOwn);
      return spends.map(({ txid }) => txid);
    },
    finalityBlocks: () => network().finality_blocks,
  };
}
