import { accountCodes } from '../ledger/account-codes.ts';
import type { Posting } from '../ledger/posting.ts';
import type { AssetCode } from '../money/asset.ts';
import { baseUnits } from '../money/base-units.ts';
import type { NetworkId } from '../money/network.ts';

export interface CreditedDeposit {
  readonly id: string;
  readonly customerId: string;
  readonly asset: AssetCode;
  readonly amount: bigint;
  /** Which credit of this deposit is undone or made, from 1. */
  readonly credits: number;
}

/**
 * Takes credits back. What the customer still has is debited; the shortfall becomes a receivable, which blocks the
 * customer's withdrawals until a deposit covers it.
 * @param available locked balances of the customer accounts, by account code.
 */
export function decideUncredit(
  network: NetworkId,
  deposits: readonly CreditedDeposit[],
  available: ReadonlyMap<string, bigint>,
): Posting[] {
  const left = new Map(available);
  return deposits.flatMap((deposit) => {
    const customer = accountCodes.customer(deposit.customerId, deposit.asset);
    const unconfirmed = accountCodes.unconfirmed(network, deposit.asset);
    const have = left.get(customer) ?? 0n;
    const taken = have < deposit.amount ? have : deposit.amount;
    left.set(customer, have - taken);
    const posting = (part: string, debit: string, amount: bigint): Posting[] =>
      amount === 0n
        ? []
        : [
            {
              idem: `uncredit/${deposit.id}/${deposit.credits}/${part}`,
              cause: `uncredit:${deposit.id}`,
              debit,
              credit: unconfirmed,
              amount: baseUnits(amount),
            },
          ];
    return [
      ...posting('customer', customer, taken),
      ...posting('receivable', accountCodes.receivable(deposit.customerId, deposit.asset), deposit.amount - taken),
    ];
  });
}

/**
 * Credits confirmed deposits: first what the customer owes, then the balance.
 * @param owed locked balances of the receivable accounts, by account code. `credits` numbers this credit.
 */
export function decideCredit(
  network: NetworkId,
  deposits: readonly CreditedDeposit[],
  owed: ReadonlyMap<string, bigint>,
): Posting[] {
  const left = new Map(owed);
  return deposits.flatMap((deposit) => {
    const receivable = accountCodes.receivable(deposit.customerId, deposit.asset);
    const unconfirmed = accountCodes.unconfirmed(network, deposit.asset);
    const owes = left.get(receivable) ?? 0n;
    const repaid = owes < deposit.amount ? owes : deposit.amount;
    left.set(receivable, owes - repaid);
    const posting = (part: string, credit: string, amount: bigint): Posting[] =>
      amount === 0n
        ? []
        : [
            {
              idem: `credit/${deposit.id}/${deposit.credits}/${part}`,
              cause: `credit:${deposit.id}`,
              debit: unconfirmed,
              credit,
              amount: baseUnits(amount),
            },
          ];
    return [
      ...posting('receivable', receivable, repaid),
      ...posting('customer', accountCodes.customer(deposit.customerId, deposit.asset), deposit.amount - repaid),
    ];
  });
}
