import type { AccountCode } from '@holdfast/core/ledger/account-codes.ts';
import { checkPosting, type Posting, type PostingStatus } from '@holdfast/core/ledger/posting.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import type { Sql } from '../database.ts';
import { ensureAccounts } from './accounts.ts';
import { lockBalances } from './balances.ts';

/** Postings of one call; bounds the memory and the time that its accounts are locked. */
export const postingsMax = 10_000;

/**
 * Decides and posts in the order given, inside the caller's transaction when `sql` is one. Its accounts stay locked
 * until that transaction ends; call it once a transaction, late, with everything that the transaction posts, so that
 * two transactions cannot wait for each other's accounts.
 * @returns one status a posting; what was not accepted left no trace.
 */
export async function postBatch(sql: Sql, postings: readonly Posting[], nowMs: number): Promise<PostingStatus[]> {
  return postWithIds(sql, postings, nowMs, await ensureAccounts(sql, accountsOf(postings)));
}

export function accountsOf(postings: readonly Posting[]): AccountCode[] {
  return postings.flatMap((posting) => [posting.debit, posting.credit]);
}

/** postBatch with account ids known to be committed. */
export async function postWithIds(
  sql: Sql,
  postings: readonly Posting[],
  nowMs: number,
  ids: ReadonlyMap<AccountCode, bigint>,
): Promise<PostingStatus[]> {
  if (postings.length === 0) return [];
  invariant(postings.length <= postingsMax, `${postings.length} postings in one batch`);
  postings.forEach(checkPosting);
  const [row] = await sql.query<{ statuses: PostingStatus[] }>(
    'select post_batch($1, $2, $3, $4, $5, $6) as statuses',
    [
      postings.map((posting) => posting.idem),
      postings.map((posting) => posting.cause),
      postings.map((posting) => idOf(ids, posting.debit)),
      postings.map((posting) => idOf(ids, posting.credit)),
      postings.map((posting) => posting.amount),
      nowMs,
    ],
  );
  invariant(row?.statuses.length === postings.length, 'post_batch answers one status a posting');
  return row.statuses;
}

function idOf(ids: ReadonlyMap<AccountCode, bigint>, code: AccountCode): bigint {
  const id = ids.get(code);
  invariant(id !== undefined, `no id for account ${code}`);
  return id;
}

/**
 * postBatch for postings that must all hold, however many: each is posted, or was before.
 * @throws InvariantError naming the first that was refused; the caller's transaction rolls back.
 */
export async function mustPost(sql: Sql, postings: readonly Posting[], nowMs: number): Promise<void> {
  // A crowded block may hold more than one batch takes; the accounts of all are locked first, in one order.
  if (postings.length > postingsMax) await lockBalances(sql, accountsOf(postings));
  for (let at = 0; at < postings.length; at += postingsMax) {
    const slice = postings.slice(at, at + postingsMax);
    const statuses = await postBatch(sql, slice, nowMs);
    statuses.forEach((status, index) => {
      invariant(status === 'posted' || status === 'duplicate', `posting ${slice[index]?.idem} refused: ${status}`);
    });
  }
}
