import { formatId } from '@holdfast/core/contract/ids.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { assetsSetAside } from './set-aside.ts';
import { insertTransaction, storeSigned } from '../store/chain-transactions.ts';
import { unsweptDeposits, markSwept } from '../store/deposits.ts';

const itemsPerSweep = 40;

/**
 * Collects credited deposits from their forwarders: one call that anyone could make, since a forwarder pays only the
 * vault. The relayer's bytes are stored before they are sent.
 */
export async function sweepForwarders(ctx: Context, network: Network): Promise<number> {
  if (!network.sweep) return 0;
  const waitMs = network.config.family === 'evm' ? network.config.sweep_wait_ms : 0;
  const nowMs = ctx.now();
  const minimums = new Map(network.config.assets.map((rule) => [rule.asset, BigInt(rule.sweep_minimum)]));
  const aside = await assetsSetAside(ctx.db, network);
  const ready = await unsweptDeposits(ctx.db, network.id, nowMs - waitMs, minimums, itemsPerSweep, aside);
  if (ready.length === 0) return 0;
  const items = ready.map((row) => ({
    customerId: formatId('cus', row.customer_id),
    index: Number(row.derivation_index),
    asset: row.asset,
  }));
  let prepared;
  try {
    prepared = await network.sweep.prepare(items);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    ctx.log('sweep-waits', { network: network.id, code: error.code, problem: error.message });
    return 0;
  }
  const { unsigned, signed } = prepared;
  const swept = await ctx.db.transaction(async (sql) => {
    const id = ctx.newId();
    const deposits = ready.flatMap((row) => row.deposit_ids);
    if (!(await markSwept(sql, deposits, id))) return 0;
    await insertTransaction(
      sql,
      { id, network: network.id, kind: 'sweep', unsigned, conflictKeys: [], refs: [] },
      nowMs,
    );
    await storeSigned(sql, id, await signed.seal(sql), nowMs);
    ctx.step('sweep-before-commit');
    return deposits.length;
  });
  if (swept > 0) ctx.step('sweep-after-commit');
  return swept;
}
