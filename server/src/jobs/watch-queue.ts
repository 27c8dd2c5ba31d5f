import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { closeAlarms, closePastRefusals, raiseAlarm } from '../store/alarms.ts';
import { oldestWaiting } from '../store/waiting-withdrawals.ts';

/** Where the network says nothing else. */
const stuckAfterMsDefault = 30 * 60_000;

/** Keeps an alarm open while a withdrawal of the network waits too long, with its state, its reason and how many do; ends those of refusals that have passed. */
export async function watchQueue(ctx: Context, network: Network): Promise<number> {
  const nowMs = ctx.now();
  const limitMs = network.config.stuck_after_ms ?? stuckAfterMsDefault;
  const subject = `${network.id} queue`;
  await closePastRefusals(ctx.db, network.id, nowMs);
  const oldest = await oldestWaiting(ctx.db, network.id, nowMs - limitMs);
  if (!oldest) {
    await closeAlarms(ctx.db, subject, nowMs);
    return 0;
  }
  const ageS = Math.floor((nowMs - Number(oldest.created_at_ms)) / 1_000);
  const message = `${oldest.count} withdrawals wait for more than ${limitMs / 1_000} s, the oldest ${oldest.id} for ${ageS} s: ${oldest.state}, ${oldest.reason ?? 'no reason recorded'}`;
  await raiseAlarm(ctx.db, { id: ctx.newId(), code: 'withdrawals-stuck', subject, message }, nowMs);
  return 0;
}
