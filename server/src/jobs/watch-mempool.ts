import type { Context } from '../context.ts';
import type { MempoolFunctions, Network } from '../networks/network.ts';
import { tipBlock } from '../store/blocks.ts';
import { endWait, noteReplacements, recordWaiting, waitingPayments } from '../store/unconfirmed-deposits.ts';

/** Transactions read in one request. */
const perPass = 500;

/**
 * Keeps the record of payments to deposit addresses that no block has: shown, never booked. Whether one was mined, replaced or
 * forgotten is decided when it has left every pool and the ledger has all blocks of the nodes.
 * A pass of the returned function reads so many new transactions at the most. @returns how many wait to be read.
 */
export function watchMempool(ctx: Context, network: Network, mempool: MempoolFunctions): () => Promise<number> {
  // Read before, and in a pool since; after a restart all are read again, which changes nothing.
  let known = new Set<string>();
  let pooled: ReadonlySet<string> = known;
  let fresh: string[] = [];
  return async () => {
    if (fresh.length === 0) {
      const { agreed, any } = await mempool.txids();
      pooled = any;
      known = new Set([...known].filter((txid) => any.has(txid)));
      fresh = agreed.filter((txid) => !known.has(txid));
    }
    const batch = fresh.splice(0, perPass);
    if (batch.length > 0) {
      const found = await mempool.look(batch);
      const payments = found.flatMap((one) => one.payments);
      const spends = found.flatMap(({ txid, spends: outpoints }) => outpoints.map((outpoint) => ({ outpoint, txid })));
      await ctx.db.transaction(async (sql) => {
        await noteReplacements(sql, network.id, spends);
        await recordWaiting(sql, network.id, payments, ctx.newId, ctx.now());
      });
      for (const txid of batch) known.add(txid);
    }
    // With all of the pool read, it is known what took the place of what is missing.
    if (fresh.length === 0) await settleVanished(ctx, network, mempool, pooled);
    return fresh.length;
  };
}

/** @param pooled what was in any pool; read before the heights, so that whatever a block took before is in an applied one. */
async function settleVanished(
  ctx: Context,
  network: Network,
  mempool: MempoolFunctions,
  pooled: ReadonlySet<string>,
): Promise<void> {
  const vanished = (await waitingPayments(ctx.db, network.id)).filter(({ txid }) => !pooled.has(txid));
  if (vanished.length === 0) return;
  const heights = await network.nodes.heights();
  const tip = await tipBlock(ctx.db, network.id);
  if (!tip || heights.some(({ height }) => height > tip.height)) return;
  for (const { id, inputs, replaced_by: by } of vanished) {
    const isReplaced = by !== null || (await mempool.anySpent(inputs));
    await endWait(ctx.db, id, isReplaced ? 'replaced' : 'gone', ctx.now());
  }
}
