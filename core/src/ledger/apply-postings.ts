import { type AccountCode, parseAccountCode } from './account-codes.ts';
import { checkPosting, type Posting, type PostingStatus } from './posting.ts';

/** The ledger as a value: signed balances by account, each in its normal direction, and what was accepted by idem. */
export interface LedgerState {
  readonly balances: ReadonlyMap<AccountCode, bigint>;
  readonly accepted: ReadonlyMap<string, Posting>;
}

export const emptyLedger: LedgerState = { balances: new Map(), accepted: new Map() };

/** First count of base units that an account cannot hold, numeric(78,0). */
const overflow = 10n ** 78n;

/**
 * Decides postings one after the other: the meaning of the ledger, and the oracle that the database's batch function
 * is tested against. A refused posting changes nothing, so its idem may be used again.
 */
export function applyPostings(
  state: LedgerState,
  postings: readonly Posting[],
): { readonly state: LedgerState; readonly statuses: PostingStatus[] } {
  const balances = new Map(state.balances);
  const accepted = new Map(state.accepted);
  const statuses = postings.map((posting) => decide(posting, balances, accepted));
  return { state: { balances, accepted }, statuses };
}

function decide(posting: Posting, balances: Map<AccountCode, bigint>, accepted: Map<string, Posting>): PostingStatus {
  checkPosting(posting);
  const earlier = accepted.get(posting.idem);
  if (earlier) return isSame(earlier, posting) ? 'duplicate' : 'conflict';
  if (posting.debit === posting.credit) return 'same-account';
  const debit = parseAccountCode(posting.debit);
  const credit = parseAccountCode(posting.credit);
  if (debit.asset !== credit.asset) return 'asset-mismatch';
  const debitAfter =
    (balances.get(posting.debit) ?? 0n) + (debit.normal === 'debit' ? posting.amount : -posting.amount);
  const creditAfter =
    (balances.get(posting.credit) ?? 0n) + (credit.normal === 'credit' ? posting.amount : -posting.amount);
  if ((debitAfter < 0n && !debit.allowNegative) || (creditAfter < 0n && !credit.allowNegative)) return 'insufficient';
  if ([debitAfter, creditAfter].some((balance) => balance >= overflow || balance <= -overflow)) return 'overflow';
  balances.set(posting.debit, debitAfter);
  balances.set(posting.credit, creditAfter);
  accepted.set(posting.idem, posting);
  return 'posted';
}

function isSame(a: Posting, b: Posting): boolean {
  return a.cause === b.cause && a.debit === b.debit && a.credit === b.credit && a.amount === b.amount;
}
