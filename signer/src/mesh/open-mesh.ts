import { join } from 'node:path';
import type { MeshHello } from '@holdfast/core/signing/messages.ts';
import type { HaltDesk } from '../halts/halt-desk.ts';
import { journalName } from '../init.ts';
import type { PeerWatch } from '../peer-watch.ts';
import type { PolicyStore } from '../policy/policy-store.ts';
import type { WalletDeps } from '../wallets/wallet.ts';
import { assertPeer } from './assert-peer.ts';
import { followPeer } from './follow-peer.ts';
import type { Standing } from './judge-peer.ts';
import { haltOver, learnTranscript, type LearnerDeps } from './learn-transcript.ts';
import { openPullCursors } from './pull-cursors.ts';
import { createTranscriptPull, type TranscriptPull } from './pull-transcripts.ts';
import { journalFeed, type JournalFeed } from './journal-feed.ts';
import { openPeerJournals, type CopiedPeer, type PeerJournals } from './peer-journals.ts';
import { createReservationDesk, type JudgeRequest } from './reservation-desk.ts';
import type { RollbackGuard } from './rollback-guard.ts';
import { signedNotices } from './signed-notices.ts';
import { transcriptFeed } from './transcript-feed.ts';

export interface Mesh {
  readonly follow: (signer: string, hello: MeshHello) => void;
  readonly pull: TranscriptPull;
  readonly reserve: ReturnType<typeof createReservationDesk>;
  readonly signed: ReturnType<typeof signedNotices>;
  readonly transcripts: ReturnType<typeof transcriptFeed>;
  readonly copies: PeerJournals;
  readonly feed: JournalFeed;
}

/** What this signer does for its peers, and learns from them. */
export function openMesh(input: {
  readonly deps: WalletDeps;
  readonly judge: JudgeRequest;
  /** @throws Failure build-not-permitted. */
  readonly permitBuild: (build: string) => void;
  readonly peers: readonly CopiedPeer[];
  /** Statement keys of all signers by id. */
  readonly statementKeys: ReadonlyMap<string, string>;
  readonly watch: Pick<PeerWatch, 'helloOf' | 'ask'>;
  readonly standing: () => Standing;
  readonly guard: RollbackGuard;
  readonly halts: HaltDesk;
  readonly policies: PolicyStore;
  readonly dataDir: string;
  readonly monotonicMs: () => number;
  readonly signal: AbortSignal;
}): Mesh {
  const { deps, judge, dataDir, peers, statementKeys, halts, policies, guard, monotonicMs, signal } = input;
  const { signer, journal, statement, transcripts, verifiers } = deps;
  const copies = openPeerJournals({ dataDir, peers, transcripts, verifiers, monotonicMs });
  const learner: LearnerDeps = { ...deps, judge, statementKeys, halts };
  const pull = createTranscriptPull({
    peers,
    cursors: openPullCursors(join(dataDir, 'pulled.json'), journal),
    learn: async (peer, transcript) => learnTranscript(learner, peer, transcript),
    giveUp: async (peer, txid) => haltOver(learner, peer, txid),
    monotonicMs,
  });
  const follow = followPeer({ peers, guard, transcripts: pull, halts, policies, monotonicMs });
  return {
    follow: (peer, hello) => {
      void copies.copy(peer, hello.head.seq);
      follow(peer, hello);
    },
    copies,
    feed: journalFeed({ signer, journal, journalPath: join(dataDir, journalName), statement, transcripts, copies }),
    pull,
    reserve: createReservationDesk({
      ...deps,
      judge,
      copyJournal: copies.copySoon,
      assertPeer: assertPeer(input.watch, input.standing, input.permitBuild),
    }),
    signed: signedNotices({ ...learner, transcriptPull: pull, monotonicMs, signal }),
    transcripts: transcriptFeed(journal, transcripts),
  };
}
