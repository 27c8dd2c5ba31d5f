import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { Failure } from '@holdfast/core/failure.ts';
import type { JournalHead } from '@holdfast/core/signing/journal-record.ts';
import { emptyState, type JournalState } from '@holdfast/core/signing/journal-state.ts';
import { lostJournal } from './journal.ts';
import { createJournalAudit } from './journal-audit.ts';
import { replayJournal } from './replay-journal.ts';

/** What a journal says up to its last whole line. */
export interface ReadJournal {
  readonly state: JournalState;
  readonly head: JournalHead;
  /** Length of those lines. */
  readonly bytes: number;
}

/**
 * What a journal says, verified; writes nothing, so it works beside the process that writes it. Of a last line that is not
 * whole it says nothing.
 * @throws Failure journal-broken.
 */
export async function readJournal(path: string): Promise<ReadJournal> {
  const file = await open(path, constants.O_RDONLY).catch((cause: unknown) => {
    throw new Failure('journal-broken', `${path} cannot be opened`, { ...lostJournal, cause });
  });
  const state = emptyState();
  try {
    return { state, ...(await replayJournal(file, path, state, createJournalAudit())) };
  } finally {
    await file.close();
  }
}
