import type { JournalPage } from '@holdfast/core/signing/journal-page.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { MeshRequest, MeshResponse } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import type { Journal } from '../journal/journal.ts';
import type { StatementKey } from '../keys/statement-key.ts';
import type { TranscriptStore } from '../transcripts/transcript-store.ts';
import { openLinePages } from './line-pages.ts';
import type { PeerJournals } from './peer-journals.ts';

export interface JournalFeed {
  /** This signer's own journal, or the copy of the caller's. @throws Failure peer-unknown for another one's. */
  readonly journal: (peer: string, body: MeshRequest<'/v1/mesh/journal'>) => Promise<JournalPage>;
  /** This signer's own, for the server. */
  readonly own: (after: number) => Promise<JournalPage>;
  readonly request: (body: MeshRequest<'/v1/mesh/request'>) => Promise<MeshResponse<'/v1/mesh/request'>>;
}

/** Hands out what copies of journals are made of, and the copies; only what is on its disk. */
export function journalFeed(input: {
  readonly signer: string;
  readonly journal: Pick<Journal, 'flushed' | 'audit' | 'hashAt'>;
  readonly journalPath: string;
  readonly statement: StatementKey;
  readonly transcripts: Pick<TranscriptStore, 'has' | 'read'>;
  readonly copies: Pick<PeerJournals, 'page'>;
}): JournalFeed {
  const { signer, journal, statement, transcripts, copies } = input;
  const pages = openLinePages(input.journalPath);

  const own = async (after: number): Promise<JournalPage> => {
    await journal.flushed();
    const lines = await pages.page(after, journal.audit.size());
    const seq = after + lines.length;
    const hash = journal.hashAt(seq);
    if (lines.length === 0 || hash === null) return { lines: [], signed: null };
    const head = { seq, hash };
    return {
      lines,
      signed: { head, signature: statement.sign(statementDigest('head', { version: 1, signer, head })) },
    };
  };

  return {
    own,
    journal: async (peer, { signer: whose, after }) => {
      if (whose === signer) return own(after);
      if (whose === peer) return copies.page(peer, after);
      throw new Failure('peer-unknown', `${peer} may not read what ${whose} wrote`);
    },
    request: async ({ hash }) => ({ request: transcripts.has(hash) ? await transcripts.read(hash) : null }),
  };
}
