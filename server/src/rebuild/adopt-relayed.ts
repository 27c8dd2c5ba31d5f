import type { ScannedTransaction } from '@holdfast/core/chains/chain.ts';
import type { Context } from '../context.ts';
import type { LoadedBlock, Network } from '../networks/network.ts';
import { insertTransaction } from '../store/chain-transactions.ts';
import { noteCollected, ownByRef } from '../store/rebuild.ts';
import type { RebuildReport } from './report.ts';

/**
 * The network with blocks in which transactions that our relayer sent count as ours though nothing is stored of them: signers
 * hear of no sweep, so only the chain knows those of a lost database. What one has emptied is collected by it.
 */
export function adoptingRelayed(ctx: Context, network: Network, report: RebuildReport): Network {
  const adopt = async (loaded: LoadedBlock): Promise<Map<string, ScannedTransaction>> => {
    const adopted = new Map<string, ScannedTransaction>();
    for (const transaction of loaded.block.transactions) {
      const isRelayed = transaction.transfers.some(
        ({ index, address }) => index === 'fee' && loaded.ownerOf(address)?.kind === 'relayer',
      );
      if (!isRelayed) continue;
      const known = await Promise.all(transaction.refs.map(async (ref) => ownByRef(ctx.db, network.id, ref)));
      const own = known.find((one) => one !== null);
      // An earlier run died before it applied this block.
      if (own?.adopted) adopted.set(own.id, transaction);
      if (own) continue;
      const id = ctx.newId();
      const { refs, txid } = transaction;
      const row = { id, network: network.id, kind: 'sweep' as const, unsigned: { relayed: txid } };
      await insertTransaction(ctx.db, { ...row, conflictKeys: [], refs }, ctx.now());
      report.relayed += 1;
      adopted.set(id, transaction);
    }
    return adopted;
  };
  return {
    ...network,
    async loadBlock(height, hash) {
      const loaded = await network.loadBlock(height, hash);
      const adopted = await adopt(loaded);
      if (adopted.size === 0) return loaded;
      return {
        ...loaded,
        async record(sql, blockId) {
          await loaded.record(sql, blockId);
          for (const [id, { transfers }] of adopted) {
            const emptied = transfers.filter(
              ({ direction, address }) => direction === 'out' && loaded.ownerOf(address)?.kind === 'deposit',
            );
            await noteCollected(sql, network.id, id, emptied);
          }
        },
      };
    },
  };
}
