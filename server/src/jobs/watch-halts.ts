import type { Context } from '../context.ts';
import type { HaltView } from '../signers/halt-view.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';

const subject = 'signers halted';
const governanceSubject = 'time locks scheduled';

/**
 * Learns what is halted, what governance has scheduled and which signers are broken, and keeps an alarm open for each
 * while anything is. @returns 0: there is never more to do at once.
 */
export async function watchHalts(ctx: Context, halts: HaltView): Promise<number> {
  const reasons = await halts.refresh();
  const nowMs = ctx.now();
  if (reasons.length === 0) await closeAlarms(ctx.db, subject, nowMs);
  else await raiseAlarm(ctx.db, { id: ctx.newId(), code: 'halted', subject, message: reasons.join('; ') }, nowMs);
  await tellGovernance(ctx, halts.governance(), nowMs);
  await tellTroubles(ctx, halts.troubles(), nowMs);
  return 0;
}

/** What the server says of it, it could keep back: each signer logs it by itself too. */
async function tellGovernance(ctx: Context, operations: readonly string[], nowMs: number): Promise<void> {
  if (operations.length === 0) return closeAlarms(ctx.db, governanceSubject, nowMs);
  const alarm = { id: ctx.newId(), code: 'governance-scheduled', subject: governanceSubject };
  await raiseAlarm(ctx.db, { ...alarm, message: operations.join(' | ') }, nowMs);
}

/** One broken signer stops nothing while the others are a quorum, so nothing else would say so. One that is away says nothing. */
async function tellTroubles(ctx: Context, signers: ReturnType<HaltView['troubles']>, nowMs: number): Promise<void> {
  for (const { signer, trouble } of signers) {
    const subject = `signer ${signer}`;
    if (trouble) await raiseAlarm(ctx.db, { id: ctx.newId(), ...trouble, subject }, nowMs);
    else await closeAlarms(ctx.db, subject, nowMs);
  }
}
