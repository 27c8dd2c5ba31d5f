import type { AssetCode } from '@holdfast/core/money/asset.ts';
import type { HotPosition } from '@holdfast/core/withdrawals/decide-rebalance.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { closeAlarms, isAlarmOpen, raiseAlarm } from '../store/alarms.ts';

/**
 * Keeps an alarm open while the hot wallet needs coins of cold: how much, where to, and with which command.
 * @param need `amount`: base units; 0 when nothing is needed.
 */
export async function askForRefill(
  ctx: Context,
  network: Network,
  asset: AssetCode,
  need: { readonly position: HotPosition; readonly amount: bigint },
): Promise<void> {
  const subject = `${network.id} ${asset} refill`;
  const { position, amount } = need;
  if (amount === 0n) return closeAlarms(ctx.db, subject, ctx.now());
  const isNew = !(await isAlarmOpen(ctx.db, 'hot-refill-needed', subject));
  await ctx.db.transaction(async (sql) => {
    const { address, index } = await network.refillAddress(sql);
    const draft =
      index === null
        ? { network: network.id, asset, amount: amount.toString() }
        : { network: network.id, amount_sats: amount.toString(), hot_index: index };
    const message = `the hot wallet of ${network.id} needs ${amount} base units of ${asset} from cold, paid to ${address}: it has ${position.hot}, withdrawals wait for ${position.queued}, customers are owed ${position.owed}, cold has ${position.cold}; holdfast cold request refill draft.json --setup setup.json --out request.json with ${JSON.stringify(draft)}`;
    await raiseAlarm(sql, { id: ctx.newId(), code: 'hot-refill-needed', subject, message }, ctx.now());
    if (isNew) ctx.log('alarm', { code: 'hot-refill-needed', message });
  });
}
