import { Failure } from '../failure.ts';
import { baseUnits } from '../money/base-units.ts';
import { accountCodes } from './account-codes.ts';
import type { Posting } from './posting.ts';

/** One customer's share in a batch of trades; `amount` is a signed decimal of base units. */
export interface SettlementEntry {
  readonly customer: string;
  readonly asset: string;
  readonly amount: string;
}

/**
 * Turns signed amounts that are zero-sum per asset into postings from those who give to those who get, in the order of the
 * entries: one posting fewer than there are parties at the most.
 * @param name of the batch: makes the postings idempotent.
 * @throws Failure settlement-invalid when an asset's amounts do not sum to zero.
 */
export function pairSettlement(entries: readonly SettlementEntry[], name: string): Posting[] {
  const postings: Posting[] = [];
  for (const asset of new Set(entries.map((entry) => entry.asset))) {
    const own = entries.filter((entry) => entry.asset === asset);
    const givers = own.filter(({ amount }) => amount.startsWith('-')).map((one) => share(one, -BigInt(one.amount)));
    const takers = own.filter(({ amount }) => !amount.startsWith('-')).map((one) => share(one, BigInt(one.amount)));
    const sum = total(takers) - total(givers);
    if (sum !== 0n) throw new Failure('settlement-invalid', `the settlement makes ${sum} ${asset}`);
    for (const taker of takers) {
      while (taker.left > 0n) {
        const giver = givers.find(({ left }) => left > 0n)!;
        const amount = giver.left < taker.left ? giver.left : taker.left;
        giver.left -= amount;
        taker.left -= amount;
        // Who trades with themselves moves nothing.
        if (giver.customer === taker.customer) continue;
        postings.push({
          idem: `settlement/${name}/${postings.length}`,
          cause: `settlement:${name}`,
          debit: accountCodes.customer(giver.customer, asset),
          credit: accountCodes.customer(taker.customer, asset),
          amount: baseUnits(amount),
        });
      }
    }
  }
  return postings;
}

function share({ customer }: SettlementEntry, left: bigint): { customer: string; left: bigint } {
  return { customer, left };
}

function total(shares: readonly { left: bigint }[]): bigint {
  return shares.reduce((sum, { left }) => sum + left, 0n);
}
