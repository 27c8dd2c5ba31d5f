import type { JournalState, SignedTransaction } from '@holdfast/core/signing/journal-state.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { askAll } from './agree.ts';
import type { SendRpc } from './json-rpc.ts';

const Confirmed = Type.Object({ confirmations: Type.Integer({ minimum: 0 }) });

/**
 * Which transactions can never confirm: another one that this signer accepted spends one of their coins and has
 * `finalityBlocks` confirmations. The nodes need their transaction index (`txindex=1`); without it nothing is proven.
 * @throws Failure node-unavailable, node-disagreement.
 */
export async function findDeadBitcoinTransactions(
  endpoints: readonly SendRpc[],
  state: JournalState,
  earlier: readonly SignedTransaction[],
  finalityBlocks: number,
): Promise<SignedTransaction[]> {
  const dead: SignedTransaction[] = [];
  for (const one of earlier) {
    const rivals = [...state.transactions.values()].filter(
      (other) =>
        other.network === one.network &&
        other.txid !== one.txid &&
        [...other.conflictKeys].some((key) => one.conflictKeys.has(key)),
    );
    for (const rival of rivals) {
      const isFinal = await askAll('an earlier transaction', endpoints, async (send) => {
        const [found] = await send([{ method: 'getrawtransaction', params: [rival.txid, true] }]);
        return parseValue(Confirmed, found, 'node-unavailable', 'getrawtransaction').confirmations >= finalityBlocks;
      }).catch(() => false); // Not in the chain, as far as these nodes know.
      if (!isFinal) continue;
      dead.push(one);
      break;
    }
  }
  return dead;
}
