import type { Posting } from '../ledger/posting.ts';
import { baseUnits } from '../money/base-units.ts';

type Move = Pick<Posting, 'debit' | 'credit' | 'amount'>;

/**
 * What a block posts as it is read now beyond what it has posted, by pair of accounts.
 * @returns the postings that are lacking, named so that the same lack is posted once; null where more was posted than the
 * block says: nothing is corrected by itself then.
 */
export function missingPostings(
  blockId: bigint,
  expected: readonly Move[],
  recorded: readonly Move[],
): Posting[] | null {
  const wanted = sums(expected);
  const had = sums(recorded);
  if ([...had].some(([pair, amount]) => amount > (wanted.get(pair) ?? 0n))) return null;
  return [...wanted].flatMap(([pair, amount]) => {
    const before = had.get(pair) ?? 0n;
    const [debit = '', credit = ''] = pair.split(' ');
    const idem = `rescan/${blockId}/${debit}/${credit}/${before}`;
    return amount === before
      ? []
      : [{ idem, cause: `block:${blockId}`, debit, credit, amount: baseUnits(amount - before) }];
  });
}

/** By `<debit> <credit>`; account codes hold no space. */
function sums(moves: readonly Move[]): Map<string, bigint> {
  const totals = new Map<string, bigint>();
  for (const { debit, credit, amount } of moves) {
    const pair = `${debit} ${credit}`;
    totals.set(pair, (totals.get(pair) ?? 0n) + amount);
  }
  return totals;
}
