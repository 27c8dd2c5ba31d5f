import { Failure } from '../failure.ts';
import { assetPolicies, type AssetPolicy } from '../policy/network-of.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import type { AcceptanceContext, ReviewedTransaction } from './decide-acceptance.ts';
import type { EntryOf } from './journal-record.ts';
import type { JournalState } from './journal-state.ts';
import {
  assetBudget,
  chargedInWindow,
  chargeIsDue,
  evacuationFeeBudget,
  feeBudget,
  isUsedUp,
  skimFeeBudget,
  skimsBudget,
  type Window,
} from './rolling-charges.ts';

/** What a transaction draws on one budget, base units. */
interface Draw {
  readonly budget: string;
  readonly window: Window;
  readonly amount: bigint;
  readonly max: bigint;
}

/**
 * What a transaction is charged, one sum a budget, if all of it fits: its payments by asset, class and window, and its fee.
 * A replacement charges a payment again when the last charge has left the window. After a restoration the budgets start full;
 * an evacuation's does not, and what peers have signed is counted all the same.
 * @throws Failure limit-exceeded naming the budget.
 */
export function decideCharges(
  state: JournalState,
  reviewed: ReviewedTransaction,
  { network, nowMs, beyondRules }: AcceptanceContext,
): EntryOf<'accepted'>['body']['charges'] {
  const isCharged = state.transactions.has(`${reviewed.network} ${reviewed.txid}`);
  const draws = [
    ...paymentDraws(state, reviewed, network, nowMs),
    ...skimDraws(reviewed, network, isCharged),
    ...feeDraw(reviewed, network, isCharged),
  ];
  for (const { budget, window, amount, max } of draws) {
    if (amount > 0n && beyondRules !== true && !reviewed.evacuation && isUsedUp(state, nowMs, window)) {
      const message = `this signer was restored: ${budget} counts as used up for ${window === 'hour' ? 'an hour' : '24 hours'}`;
      throw new Failure('limit-exceeded', message);
    }
    const charged = chargedInWindow(state, budget, nowMs, window);
    if (charged + amount > max) {
      throw new Failure(
        'limit-exceeded',
        `${amount} of ${budget} on top of ${charged} in ${window === 'hour' ? 'an hour' : '24 hours'} is over ${max}`,
      );
    }
  }
  return draws.flatMap(({ budget, amount }) => (amount > 0n ? [{ asset: budget, amount: amount.toString() }] : []));
}

function paymentDraws(
  state: JournalState,
  { intents }: ReviewedTransaction,
  network: NetworkPolicy,
  nowMs: number,
): Draw[] {
  const sums = new Map<string, bigint>();
  const add = (budget: string, amount: bigint) => sums.set(budget, (sums.get(budget) ?? 0n) + amount);
  for (const { digest, asset, amount, class: intentClass } of intents) {
    const due = {
      day: chargeIsDue(state.chargedAtMs.get(digest), nowMs, 'day'),
      hour: chargeIsDue(state.hourChargedAtMs.get(digest), nowMs, 'hour'),
    };
    for (const window of ['day', 'hour'] as const) {
      // What was charged beyond the rules must still fit.
      if (!due[window] && !state.beyondRules.has(digest)) continue;
      const drawn = due[window] ? amount : 0n;
      add(assetBudget(asset, 'all', window), drawn);
      if (intentClass === 'integrator') add(assetBudget(asset, 'integrator', window), drawn);
    }
  }
  return assetPolicies(network)
    .flatMap(budgetsOf)
    .flatMap((budget) => {
      const amount = sums.get(budget.budget);
      return amount === undefined ? [] : [{ ...budget, amount }];
    });
}

function budgetsOf({ asset, limits, integrator_limits: integratorLimits }: AssetPolicy): Omit<Draw, 'amount'>[] {
  return [
    { budget: assetBudget(asset, 'all', 'day'), window: 'day', max: BigInt(limits.per_day_max) },
    { budget: assetBudget(asset, 'all', 'hour'), window: 'hour', max: BigInt(limits.per_hour_max) },
    { budget: assetBudget(asset, 'integrator', 'day'), window: 'day', max: BigInt(integratorLimits.per_day_max) },
    { budget: assetBudget(asset, 'integrator', 'hour'), window: 'hour', max: BigInt(integratorLimits.per_hour_max) },
  ];
}

/** A skim moves money nowhere but to cold, so what is counted is how often: without end it would burn fees. */
function skimDraws({ skim = [] }: ReviewedTransaction, network: NetworkPolicy, isCharged: boolean): Draw[] {
  const rules = new Map(assetPolicies(network).map(({ asset, hot }) => [asset, hot]));
  return skim.map((asset) => ({
    budget: skimsBudget(asset),
    window: 'day',
    amount: isCharged ? 0n : 1n,
    max: BigInt(rules.get(asset)?.skims_per_day_max ?? 0),
  }));
}

/** Where a relayer pays the fees (EVM), a transaction that has one is refused. */
function feeDraw(
  { fee: feeOf, evacuation, skim }: ReviewedTransaction,
  network: NetworkPolicy,
  isCharged: boolean,
): Draw[] {
  if (feeOf === 0n) return [];
  const fee = isCharged ? 0n : feeOf;
  if (skim && network.family === 'bitcoin') {
    const max = BigInt(network.fee_max_sats) * BigInt(network.hot?.skims_per_day_max ?? 0);
    return [{ budget: skimFeeBudget(network.network), window: 'day', amount: fee, max }];
  }
  const budget = evacuation ? evacuationFeeBudget(network.network) : feeBudget(network.network);
  if (network.family !== 'bitcoin') return [{ budget, window: 'day', amount: fee, max: 0n }];
  const max = BigInt(evacuation ? network.evacuation_fee_per_day_max_sats : network.fee_per_day_max_sats);
  return [{ budget, window: 'day', amount: fee, max }];
}
