import { Failure } from '@holdfast/core/failure.ts';
import { rivalsOf, type JournalState, type SignedTransaction } from '@holdfast/core/signing/journal-state.ts';
import Type from 'typebox';
import { parseValue } from '../parse.ts';
import { askAll } from './agree.ts';
import type { SendRpc } from './json-rpc.ts';

const Confirmed = Type.Object({ txid: Type.String(), confirmations: Type.Integer({ minimum: 0 }) });

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
    for (const { txid } of rivalsOf(state, one)) {
      if (!(await isFinal(endpoints, txid, finalityBlocks))) continue;
      dead.push(one);
      break;
    }
  }
  return dead;
}

async function isFinal(endpoints: readonly SendRpc[], txid: string, finalityBlocks: number): Promise<boolean> {
  try {
    return await askAll('an earlier transaction', endpoints, async (send) => {
      const [answer] = await send([{ method: 'getrawtransaction', params: [txid, true] }]);
      const found = parseValue(Confirmed, answer, 'node-unavailable', 'getrawtransaction');
      return found.txid === txid && found.confirmations >= finalityBlocks;
    });
  } catch (error) {
    // Not in the chain, as far as these nodes know.
    if (error instanceof Failure) return false;
    throw error;
  }
}
