import type { Context } from '../context.ts';
import type { HaltView } from '../signers/halt-view.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';

const subject = 'signers halted';

/** Learns what is halted, and keeps one alarm open while anything is. @returns 0: there is never more to do at once. */
export async function watchHalts(ctx: Context, halts: HaltView): Promise<number> {
  const reasons = await halts.refresh();
  const nowMs = ctx.now();
  if (reasons.length === 0) await closeAlarms(ctx.db, subject, nowMs);
  else await raiseAlarm(ctx.db, { id: ctx.newId(), code: 'halted', subject, message: reasons.join('; ') }, nowMs);
  return 0;
}
