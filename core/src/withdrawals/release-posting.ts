import { formatId } from '../contract/ids.ts';
import { accountCodes } from '../ledger/account-codes.ts';
import type { Posting } from '../ledger/posting.ts';
import { baseUnits } from '../money/base-units.ts';

/** The whole hold, fee included, back to the customer. @param row ids without their prefixes, amounts in base units. */
export function releasePosting(row: {
  readonly id: string;
  readonly customer_id: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly fee: bigint;
}): Posting {
  const customer = formatId('cus', row.customer_id);
  return {
    idem: `withdrawal/${row.id}/release`,
    cause: `withdrawal:${row.id}`,
    debit: accountCodes.hold(customer, row.asset),
    credit: accountCodes.customer(customer, row.asset),
    amount: baseUnits(row.amount + row.fee),
  };
}
