import { join } from 'node:path';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { createJournalFile, openJournal } from '@holdfast/signer/journal/journal.ts';
import { createStatementSecret, statementKey } from '@holdfast/signer/keys/statement-key.ts';
import { openTranscriptStore } from '@holdfast/signer/transcripts/transcript-store.ts';
import type { WalletDeps } from '@holdfast/signer/wallets/wallet.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';

/** What the wallets of `signer-1` work with in this process, on a real journal, with two peers that reserve everything. */
export interface LoneSigner {
  /** For a wallet that is to be judged by this policy. */
  deps(policy: Policy): WalletDeps;
  readonly journal: WalletDeps['journal'];
  close(): Promise<void>;
}

export async function openLoneSigner(folder: string): Promise<LoneSigner> {
  const path = join(folder, 'journal.jsonl');
  createJournalFile(path, 'signer-1', Date.now());
  const journal = await openJournal(path, Date.now, () => performance.now());
  const transcripts = await openTranscriptStore(join(folder, 'transcripts.jsonl'));
  const statement = statementKey(createStatementSecret());
  return {
    journal,
    deps: (policy) => ({
      signer: 'signer-1',
      quorum: 2,
      journal,
      transcripts,
      policies: { current: () => policy },
      verifiers: opensslVerifiers,
      statement,
      clock: Date.now,
      agreedNowMs: Date.now,
      assertReady: () => undefined,
      assertBuild: () => undefined,
      reserve: async () => ({ reserved: ['signer-2', 'signer-3'], unreachable: [] }),
      notifySigned: () => undefined,
      watchedHeight: () => 0,
    }),
    close: async () => {
      await transcripts.close();
      await journal.close();
    },
  };
}
