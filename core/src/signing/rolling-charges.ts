import type { JournalState } from './journal-state.ts';

/** Length of a rolling limit. */
export type Window = 'hour' | 'day';

const minuteMs = 60_000;
/** A minute leaves a window as a whole, so a charge counts for up to a minute longer. */
const windowMinutes: Readonly<Record<Window, number>> = { hour: 60, day: 24 * 60 };

/** Name of the budget that the fees of a network draw on, over 24 hours. */
export function feeBudget(network: string): string {
  return `${network} fee`;
}

/** Fees of evacuations, over 24 hours: a halted signer spends from it too. */
export function evacuationFeeBudget(network: string): string {
  return `${network} evacuation-fee`;
}

/** Fees of skims, over 24 hours: they leave those of payments alone. */
export function skimFeeBudget(network: string): string {
  return `${network} skim-fee`;
}

/** Number of skims of an asset (CAIP-19), over 24 hours. */
export function skimsBudget(asset: string): string {
  return `${asset} skims`;
}

/** Payments of an asset (CAIP-19): all of them over 24 hours is the asset's own name. */
export function assetBudget(asset: string, who: 'all' | 'integrator', window: Window): string {
  return `${asset}${who === 'all' ? '' : ' integrator'}${window === 'day' ? '' : ' hour'}`;
}

/** Payments of an asset (CAIP-19) that were signed while a signer was away, over 24 hours. */
export function degradedBudget(asset: string): string {
  return `${asset} degraded`;
}

/** Credentials added and removed, over 24 hours. */
export const credentialChangesBudget = 'credential changes';

/** What `budget` was charged in the window before `nowMs`, base units. */
export function chargedInWindow(
  state: Pick<JournalState, 'charges'>,
  budget: string,
  nowMs: number,
  window: Window = 'day',
): bigint {
  const oldest = oldestMinute(nowMs, window);
  let sum = 0n;
  for (const [minute, amount] of state.charges.get(budget) ?? []) if (minute >= oldest) sum += amount;
  return sum;
}

/**
 * Whether something that was charged at `chargedAtMs` the last time has to be charged again at `nowMs`: that charge has
 * left the window. Without it, intents signed today at one nonce would be free on the day they are paid.
 */
export function chargeIsDue(chargedAtMs: number | undefined, nowMs: number, window: Window = 'day'): boolean {
  return chargedAtMs === undefined || Math.floor(chargedAtMs / minuteMs) < oldestMinute(nowMs, window);
}

/**
 * Whether all limits of this length count as used up: a signer that came out of a backup cannot know that its peers have
 * shown it all that it let out before.
 */
export function isUsedUp(state: Pick<JournalState, 'restoredAtMs'>, nowMs: number, window: Window = 'day'): boolean {
  return state.restoredAtMs !== null && !chargeIsDue(state.restoredAtMs, nowMs, window);
}

/** Adds a charge, in place; `atMs` never goes back. */
export function addCharge(state: Pick<JournalState, 'charges'>, budget: string, amount: bigint, atMs: number): void {
  const minute = Math.floor(atMs / minuteMs);
  let minutes = state.charges.get(budget);
  if (!minutes) state.charges.set(budget, (minutes = new Map<number, bigint>()));
  minutes.set(minute, (minutes.get(minute) ?? 0n) + amount);
  // In the order of time: only what has just left is looked at, however long the journal.
  for (const old of minutes.keys()) {
    if (old >= minute - windowMinutes.day) break;
    minutes.delete(old);
  }
}

function oldestMinute(nowMs: number, window: Window): number {
  return Math.floor(nowMs / minuteMs) - windowMinutes[window];
}
