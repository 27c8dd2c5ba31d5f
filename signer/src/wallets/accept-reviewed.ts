import type { NetworkPolicy, Policy } from '@holdfast/core/policy/policy.ts';
import { decideAcceptance, type ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import { refuseHalted } from '@holdfast/core/signing/refuse-halted.ts';
import type { Journal } from '../journal/journal.ts';
import { transcriptLine, type TranscriptStore } from '../transcripts/transcript-store.ts';

export interface Acceptance {
  readonly request: SigningRequest;
  readonly reviewed: ReviewedTransaction;
  readonly policy: Policy;
  readonly network: NetworkPolicy;
  /** The signer that wants to sign. */
  readonly by: string;
}

interface Stores {
  readonly journal: Journal;
  readonly transcripts: TranscriptStore;
}

/**
 * Decides on a reviewed transaction and journals it; on return the request and the acceptance are on the disk. Decision
 * and change of the state run without an await in between, so two requests for one intent cannot both pass, however
 * they race.
 * @param past for what peers have signed before now: the time to decide by, that a halt does not undo it, and whether this
 * signer's own rules refuse it.
 * @returns hash of the request that the journal names for the transaction.
 * @throws Failure with the reason of the refusal.
 */
export async function acceptReviewed(
  { journal, transcripts }: Stores,
  acceptance: Acceptance,
  past?: { readonly atMs: number; readonly evenWhenHalted: true; readonly beyondRules: boolean },
): Promise<string> {
  const { request, reviewed, policy, network, by } = acceptance;
  const line = transcriptLine(request);
  const { hash } = line;
  const decide = (nowMs: number): ReturnType<typeof decideAcceptance> => {
    const state = past ? { ...journal.state, halts: new Map<never, never>() } : journal.state;
    const decidedAtMs = past ? Math.min(past.atMs, nowMs) : nowMs;
    const beyondRules = past?.beyondRules ?? false;
    return decideAcceptance(state, reviewed, { policy, network, by, request: hash, nowMs: decidedAtMs, beyondRules });
  };
  journal.assertUsable();
  // First without writing anything: what is refused must not fill the disk.
  if (decide(journal.nowMs()) !== null) await transcripts.append(line);
  journal.assertUsable();
  const nowMs = journal.nowMs();
  const entry = decide(nowMs);
  if (entry) {
    await journal.append(entry, nowMs);
    return hash;
  }
  // The same bytes again: their entry may still be on its way to the disk, and it names the request that counts.
  await journal.flushed();
  const first = journal.state.accepted.findLast(
    ({ network: name, txid }) => name === reviewed.network && txid === reviewed.txid,
  );
  return first?.request ?? hash;
}

/** A halt stops everything but the way to sealed cold storage. @throws Failure halted. */
export function refuseStopped(journal: Journal, reviewed: ReviewedTransaction): void {
  if (reviewed.evacuation) return;
  const assets = [...reviewed.intents.map((intent) => intent.asset), ...(reviewed.skim ?? [])];
  refuseHalted(journal.state, reviewed.network, assets);
}
