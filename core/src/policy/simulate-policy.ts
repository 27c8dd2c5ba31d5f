import type { WithdrawalResource } from '../contract/resources.ts';
import { type AssetPolicy, assetPolicies } from './network-of.ts';
import { type NeededApprovals, neededApprovals } from './needed-approvals.ts';
import type { Limits, Policy } from './policy.ts';

/** A payment authorised by the customer's passkey, or by an integrator's key alone. */
export type PaymentClass = 'customer' | 'integrator';

/** What is read of a recorded withdrawal. */
export type RecordedWithdrawal = Pick<WithdrawalResource, 'id' | 'network' | 'asset' | 'amount' | 'created_at'>;

export interface JudgedWithdrawal {
  readonly withdrawal: RecordedWithdrawal;
  /** `approvals`: passes once as many as `needed` are given. */
  readonly outcome: 'passes' | 'approvals' | 'refused';
  readonly needed: NeededApprovals;
  /** Why it is refused. */
  readonly reason: string | null;
}

export interface SimulatedAsset {
  readonly network: string;
  readonly asset: string;
  readonly passes: number;
  readonly approvals: number;
  readonly refused: number;
  /** The most of what passes, with approvals or without, over any 60 minutes and any 24 hours. */
  readonly hourMaxBaseUnits: bigint;
  readonly dayMaxBaseUnits: bigint;
  /** Those that hold for the class; null when the policy lacks the asset. */
  readonly limits: Limits | null;
}

interface Charge {
  readonly atMs: number;
  readonly amount: bigint;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/**
 * Replays withdrawals in the order of their times as if all of them were of one class and no others had been made.
 * Destinations, positions and fees are not replayed: they hang on records that only signers have.
 */
export function simulatePolicy(
  policy: Policy,
  withdrawals: readonly RecordedWithdrawal[],
  paymentClass: PaymentClass,
): { judged: JudgedWithdrawal[]; assets: SimulatedAsset[] } {
  const charges = new Map<string, Charge[]>();
  const judged: JudgedWithdrawal[] = [];
  const assets = new Map<string, SimulatedAsset>();
  for (const withdrawal of withdrawals.toSorted((a, b) => Date.parse(a.created_at) - Date.parse(b.created_at))) {
    const name = `${withdrawal.network} ${withdrawal.asset}`;
    const asset = assetOf(policy, withdrawal);
    const spent = charges.get(name) ?? [];
    const result = judge(asset, withdrawal, spent, paymentClass);
    judged.push(result);
    const charge = { atMs: Date.parse(withdrawal.created_at), amount: BigInt(withdrawal.amount) };
    if (result.outcome !== 'refused')
      charges.set(name, [...spent.filter(({ atMs }) => atMs > charge.atMs - dayMs), charge]);
    assets.set(name, add(assets.get(name), result, asset && limitsOf(asset, paymentClass), charges.get(name) ?? []));
  }
  return { judged, assets: [...assets.values()] };
}

function judge(
  asset: AssetPolicy | undefined,
  withdrawal: RecordedWithdrawal,
  spent: readonly Charge[],
  paymentClass: PaymentClass,
): JudgedWithdrawal {
  const refused = (reason: string): JudgedWithdrawal => ({
    withdrawal,
    outcome: 'refused',
    needed: { approvals: 0, offline: 0 },
    reason,
  });
  if (asset === undefined) return refused('not in the policy');
  const amount = BigInt(withdrawal.amount);
  const limits = limitsOf(asset, paymentClass);
  const atMs = Date.parse(withdrawal.created_at);
  if (amount > BigInt(limits.per_transaction_max)) return refused('per_transaction_max');
  if (amount + within(spent, atMs - hourMs) > BigInt(limits.per_hour_max)) return refused('per_hour_max');
  if (amount + within(spent, atMs - dayMs) > BigInt(limits.per_day_max)) return refused('per_day_max');
  const needed = neededApprovals(asset, amount);
  return { withdrawal, outcome: needed.approvals > 0 ? 'approvals' : 'passes', needed, reason: null };
}

/** The integrator's count towards the others too, and `lintPolicy` keeps them below. */
function limitsOf(asset: AssetPolicy, paymentClass: PaymentClass): Limits {
  return paymentClass === 'customer' ? asset.limits : asset.integrator_limits;
}

function assetOf(policy: Policy, { network, asset }: RecordedWithdrawal): AssetPolicy | undefined {
  const found = policy.networks.find((entry) => entry.network === network);
  return found && assetPolicies(found).find((entry) => entry.code === asset);
}

function within(charges: readonly Charge[], afterMs: number): bigint {
  return charges.reduce((sum, { atMs, amount }) => (atMs > afterMs ? sum + amount : sum), 0n);
}

function add(
  before: SimulatedAsset | undefined,
  { withdrawal, outcome }: JudgedWithdrawal,
  limits: Limits | undefined,
  charges: readonly Charge[],
): SimulatedAsset {
  const atMs = charges.at(-1)?.atMs ?? 0;
  const hour = within(charges, atMs - hourMs);
  const day = within(charges, atMs - dayMs);
  const counts = before ?? { passes: 0, approvals: 0, refused: 0, hourMaxBaseUnits: 0n, dayMaxBaseUnits: 0n };
  return {
    network: withdrawal.network,
    asset: withdrawal.asset,
    passes: counts.passes,
    approvals: counts.approvals,
    refused: counts.refused,
    [outcome]: counts[outcome] + 1,
    hourMaxBaseUnits: hour > counts.hourMaxBaseUnits ? hour : counts.hourMaxBaseUnits,
    dayMaxBaseUnits: day > counts.dayMaxBaseUnits ? day : counts.dayMaxBaseUnits,
    limits: limits ?? null,
  };
}
