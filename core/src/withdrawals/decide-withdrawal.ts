import { Failure } from '../failure.ts';
import { parseBaseUnits, type BaseUnits } from '../money/base-units.ts';
import type { AssetCode } from '../money/asset.ts';
import type { WithdrawalIntent } from '../signing/intent.ts';
import { chargeFee, checkAmount, type FeeTerms } from './fee-terms.ts';

/** One asset's rule on one network, base units. */
export interface WithdrawalRule {
  readonly asset: AssetCode;
  readonly caip19: string;
  readonly decimals: number;
  /** Those of the customer's quote, else those in force. */
  readonly terms: FeeTerms;
  /** Estimated network fee of one payment, as the quote has it; 0 for a token. */
  readonly networkCost: bigint;
  readonly perWithdrawalMax: bigint;
  readonly perCustomerDayMax: bigint;
}

export interface WithdrawalFacts {
  readonly nowMs: number;
  readonly rules: readonly WithdrawalRule[];
  /** What the customer withdrew of the asset on the network in the last 24 hours. */
  readonly withdrawnToday: (asset: AssetCode) => bigint;
  /** Canonical text of intent.destination. */
  readonly destination: string;
  /** The destination is a wallet, contract or deposit address of ours. */
  readonly destinationIsOurs: boolean;
  /** The customer owes a receivable in any asset. */
  readonly owes: boolean;
}

export interface AcceptedWithdrawal {
  readonly asset: AssetCode;
  readonly amount: BaseUnits;
  readonly fee: BaseUnits;
  readonly expiresAtMs: number;
}

/** An intent must leave time to batch and sign it. */
const lifeMinMs = 30_000;
const lifeMaxMs = 30 * 24 * 3_600_000;

/** The server's policy on one request. The signers have their own; this one spares the customer a later refusal. */
export function decideWithdrawal(intent: WithdrawalIntent, facts: WithdrawalFacts): AcceptedWithdrawal {
  const rule = facts.rules.find((one) => one.caip19 === intent.asset);
  if (!rule)
    throw new Failure('unknown-asset', `${intent.asset} is not an asset of ${intent.network}`, {
      pointer: '/intent/asset',
    });
  const amount = parseBaseUnits(intent.amount, '/intent/amount');
  const feeMax = parseBaseUnits(intent.fee_max, '/intent/fee_max');
  const expiresAtMs = parseExpiry(intent.expires_at, facts.nowMs);
  if (intent.memo !== null) {
    throw new Failure('invalid-request', `${intent.network} has no memo`, {
      pointer: '/intent/memo',
      fix: 'Send memo null.',
    });
  }
  if (facts.destinationIsOurs) {
    throw new Failure('destination-refused', `${facts.destination} belongs to the wallet system`, {
      pointer: '/intent/destination',
    });
  }
  checkAmount(rule.terms, amount, { code: rule.asset, decimals: rule.decimals }, '/intent/amount');
  if (amount > rule.perWithdrawalMax)
    throw new Failure(
      'limit-exceeded',
      `${amount} exceeds ${rule.perWithdrawalMax} base units of ${rule.asset} a withdrawal`,
      { pointer: '/intent/amount' },
    );
  const today = facts.withdrawnToday(rule.asset);
  if (today + amount > rule.perCustomerDayMax) {
    throw new Failure(
      'limit-exceeded',
      `${amount} with ${today} of the last 24 hours exceeds ${rule.perCustomerDayMax} base units of ${rule.asset} a day`,
      { pointer: '/intent/amount' },
    );
  }
  const fee = chargeFee(rule.terms, amount, rule.networkCost);
  if (fee > feeMax) {
    throw new Failure(
      'fee-above-maximum',
      `the fee is ${fee} base units of ${rule.asset}, the intent allows ${feeMax}`,
      { pointer: '/intent/fee_max' },
    );
  }
  if (facts.owes) throw new Failure('withdrawals-blocked', 'the customer owes a receivable');
  return { asset: rule.asset, amount, fee, expiresAtMs };
}

function parseExpiry(text: string, nowMs: number): number {
  const at = Date.parse(text);
  const fix = { pointer: '/intent/expires_at', fix: 'Send an RFC 3339 UTC time between 30 seconds and 30 days ahead.' };
  if (Number.isNaN(at)) throw new Failure('invalid-request', `not a time: ${text}`, fix);
  if (at < nowMs + lifeMinMs)
    throw new Failure('intent-expired', `the intent expires at ${text}, which is past or too near`, fix);
  if (at > nowMs + lifeMaxMs)
    throw new Failure('invalid-request', `the intent expires at ${text}, more than 30 days ahead`, fix);
  return at;
}
