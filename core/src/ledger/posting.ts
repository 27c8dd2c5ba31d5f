import type { AccountCode } from './account-codes.ts';
import { baseUnits, type BaseUnits } from '../money/base-units.ts';
import { invariant } from '../invariant.ts';

/** One movement between two accounts of one asset. Every change of a balance is one. */
export interface Posting {
  /** Idempotency key, unique for ever: posting it again does nothing. */
  readonly idem: string;
  /** What moved the money: `block:17`, `withdrawal:<uuid>`, `reversal:...`; postings are found by it. */
  readonly cause: string;
  readonly debit: AccountCode;
  readonly credit: AccountCode;
  /** Positive. */
  readonly amount: BaseUnits;
}

/** What became of a posting; only `posted` changed a balance now. */
export type PostingStatus =
  /** Accepted now. */
  | 'posted'
  /** The same idem was accepted before with the same content. */
  | 'duplicate'
  /** The same idem was accepted before with other content: a bug of the caller. */
  | 'conflict'
  /** An account that may not be negative would be. */
  | 'insufficient'
  | 'asset-mismatch'
  | 'same-account'
  /** A balance would exceed 78 digits. */
  | 'overflow';

/** The posting that undoes another: sides swapped, the amount the same. */
export function reverse(posting: Posting, as: { readonly idem: string; readonly cause: string }): Posting {
  return { idem: as.idem, cause: as.cause, debit: posting.credit, credit: posting.debit, amount: posting.amount };
}

const name = /^[\x21-\x7e]{1,255}$/;

/**
 * Asserts what every posting must be before it reaches the ledger: an amount, and keys that any store can hold.
 * @throws InvariantError naming the posting.
 */
export function checkPosting(posting: Posting): void {
  invariant(
    name.test(posting.idem) && name.test(posting.cause),
    `not a posting's idem and cause: ${posting.idem} ${posting.cause}`,
  );
  invariant(posting.amount > 0n, `posting ${posting.idem} has no amount`);
  baseUnits(posting.amount);
}
