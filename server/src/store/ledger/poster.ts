import { type AccountCode, parseAccountCode } from '@holdfast/core/ledger/account-codes.ts';
import { checkPosting, type Posting, type PostingStatus } from '@holdfast/core/ledger/posting.ts';
import type { Database } from '../database.ts';
import { ensureAccounts } from './accounts.ts';
import { accountsOf, postWithIds } from './post-batch.ts';

/** Takes single postings that stand alone; what must be atomic with other rows goes through postBatch instead. */
export interface LedgerPort {
  /**
   * Posts one; resolves after the commit. Postings of concurrent calls may share a transaction, in order of the calls.
   * Rejects when the database fails; the outcome is then unknown and the same posting may be sent again.
   */
  post(posting: Posting): Promise<PostingStatus>;
}

interface Waiting {
  readonly posting: Posting;
  readonly resolve: (status: PostingStatus) => void;
  readonly reject: (error: unknown) => void;
}

const batchMax = 1_000;
/** Account ids remembered; past it all are forgotten and read again. */
const idsMax = 200_000;
const deadlockDetected = '40P01';

/**
 * A batcher that adapts to the load: a posting is sent at once when nothing is under way; those that arrive during a
 * commit go together in the next one, at most 1,000. So a lone posting does not wait and a hot account, on which
 * transactions would queue, takes a thousand transfers a commit.
 */
export function createPoster(db: Database, clock: () => number): LedgerPort {
  const queue: Waiting[] = [];
  const ids = new Map<AccountCode, bigint>();
  let flushing = false;

  async function flush(): Promise<void> {
    flushing = true;
    try {
      while (queue.length > 0) {
        const batch = queue.splice(0, batchMax);
        try {
          const statuses = await send(
            db,
            batch.map((waiting) => waiting.posting),
            clock(),
            ids,
          );
          batch.forEach((waiting, index) => waiting.resolve(statuses[index] as PostingStatus));
        } catch (error) {
          for (const waiting of batch) waiting.reject(error);
        }
      }
    } finally {
      flushing = false;
    }
  }

  return {
    post: (posting) =>
      new Promise((resolve, reject) => {
        // A malformed posting fails alone, not with the batch it would be in.
        checkPosting(posting);
        parseAccountCode(posting.debit);
        parseAccountCode(posting.credit);
        queue.push({ posting, resolve, reject });
        // After the current turn, so that calls of one turn share the first batch.
        if (!flushing) {
          flushing = true;
          queueMicrotask(() => void flush());
        }
      }),
  };
}

async function send(
  db: Database,
  postings: readonly Posting[],
  nowMs: number,
  ids: Map<AccountCode, bigint>,
): Promise<PostingStatus[]> {
  if (ids.size > idsMax) ids.clear();
  const unknown = accountsOf(postings).filter((code) => !ids.has(code));
  // Outside a transaction: committed when it returns, so the ids may be kept.
  if (unknown.length > 0) for (const [code, id] of await ensureAccounts(db, unknown)) ids.set(code, id);
  for (let attempt = 0; ; attempt += 1) {
    try {
      // One statement is one transaction.
      return await postWithIds(db, postings, nowMs, ids);
    } catch (error) {
      // Only a transaction that posted twice can lock accounts out of order; PostgreSQL ended ours, nothing was posted.
      if ((error as { code?: string }).code !== deadlockDetected || attempt === 2) throw error;
    }
  }
}
