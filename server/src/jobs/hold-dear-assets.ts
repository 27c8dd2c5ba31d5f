import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import { schedulesInForce } from '../store/fee-schedules.ts';

/**
 * Assets whose terms let nothing be paid while the network asks for so high a fee. An alarm is open meanwhile; it closes
 * with the first look that finds the fee low enough.
 */
export async function holdDearAssets(ctx: Context, network: Network, nowMs: number): Promise<string[]> {
  const limits = [...(await schedulesInForce(ctx.db, network.id, nowMs)).values()].flatMap(
    ({ asset, networkFeeRateMax }) => (networkFeeRateMax === null ? [] : [{ asset, max: networkFeeRateMax }]),
  );
  const { feeRate } = limits.length === 0 ? { feeRate: 0n } : await network.costs();
  const dear = limits.filter(({ max }) => feeRate > max);
  const subject = `${network.id} network fee`;
  if (dear.length === 0) {
    await closeAlarms(ctx.db, subject, nowMs);
    return [];
  }
  const list = dear.map(({ asset, max }) => `${asset} up to ${max}`).join(', ');
  const message = `${network.id} asks for ${feeRate}; the fee schedules let ${list}`;
  await raiseAlarm(ctx.db, { id: ctx.newId(), code: 'network-fee-high', subject, message }, nowMs);
  return dear.map(({ asset }) => asset);
}
