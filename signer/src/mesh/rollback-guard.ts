import { Failure } from '@holdfast/core/failure.ts';
import type { Journal } from '../journal/journal.ts';
import { log } from '../log.ts';

interface Head {
  readonly seq: number;
  readonly hash: string;
}

/** Finds out whether this journal was set back behind what peers have countersigned: a restored backup, a rolled-back machine. */
export interface RollbackGuard {
  /** What a peer says it countersigned last. */
  readonly check: (peer: string, countersigned: Head | null) => void;
  /** @throws Failure journal-behind from the first such peer on, until a start with the journal that is missing. */
  readonly assertNotBehind: () => void;
}

export function createRollbackGuard(journal: Pick<Journal, 'head' | 'hashAt'>): RollbackGuard {
  let behind: Failure | null = null;
  const check: RollbackGuard['check'] = (peer, countersigned) => {
    if (!countersigned || countersigned.seq === 0 || behind) return;
    const { seq, hash } = countersigned;
    if (journal.hashAt(seq) === hash) return;
    behind = new Failure('journal-behind', `${peer} has countersigned record ${seq}, which this journal does not have`);
    log('alarm', { alarm: 'journal-behind', peer, seq, own_seq: journal.head().seq });
  };
  const assertNotBehind = (): void => {
    if (behind) throw behind;
  };
  return { check, assertNotBehind };
}

/** The end of the journal as it is on the disk: what peers may be told, because a crash does not take it back. */
export async function durableHead(journal: Pick<Journal, 'head' | 'flushed'>): Promise<Head> {
  const { seq, hash } = journal.head();
  await journal.flushed();
  return { seq, hash };
}
