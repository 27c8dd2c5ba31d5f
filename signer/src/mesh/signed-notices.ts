import { Failure } from '@holdfast/core/failure.ts';
import type { MeshRequest } from '@holdfast/core/signing/messages.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { HaltDesk } from '../halts/halt-desk.ts';
import type { Journal } from '../journal/journal.ts';
import { errorName, log } from '../log.ts';
import { haltOver, holds, journalStatement } from './learn-transcript.ts';
import { createPatience } from './patience.ts';
import type { TranscriptPull } from './pull-transcripts.ts';

type Signed = MeshRequest<'/v1/mesh/signed'>;

interface NoticeDeps {
  readonly journal: Journal;
  readonly verifiers: Verifiers;
  readonly statementKeys: ReadonlyMap<string, string>;
  readonly transcriptPull: Pick<TranscriptPull, 'pull' | 'isWaiting'>;
  readonly halts: Pick<HaltDesk, 'haltUnexplained'>;
  /** A clock that is never set. */
  readonly monotonicMs: () => number;
  /** Ends the attempts when the signer stops. */
  readonly signal: AbortSignal;
}

/** Forty attempts until the patience is over. */
const retryEveryMs = 15_000;
/** So many signatures without their transcripts get no patience. */
const pendingMax = 2_000;

/**
 * Hears that a peer has let a signature out. The request behind it must be known, or be handed over by the peer: a
 * signature without a transcript stops everything. A peer that cannot be asked, or whose transcripts still lack something,
 * is asked again until the patience is over.
 * @returns a function that throws Failure authorization-invalid for a statement that its signer has not made.
 */
export function signedNotices(deps: NoticeDeps): (peer: string, signed: Signed) => Promise<void> {
  const desk = pendingDesk(deps);
  const asking = new Set<string>();

  /** @param waiting heard before: what comes in while the peer is asked may be behind its answer. */
  const ask = async (peer: string, waiting: readonly Signed[]): Promise<void> => {
    asking.add(peer);
    const isComplete = await pullAll(deps, peer).finally(() => asking.delete(peer));
    for (const signed of waiting) await desk.settle(signed, isComplete);
  };
  // A peer that answers slowly must not put off the end of the patience, so that is looked at first.
  const retry = async (): Promise<void> => {
    for (const signed of desk.all()) await desk.settle(signed, false);
    await Promise.all(desk.peers().map(async (peer) => (asking.has(peer) ? undefined : ask(peer, desk.of(peer)))));
  };
  const failed = (error: unknown): void => log('notices-not-settled', { error: errorName(error) });
  const timer = setInterval(() => void retry().catch(failed), retryEveryMs);
  deps.signal.addEventListener('abort', () => clearInterval(timer));

  return async (peer, signed) => {
    const { signer } = signed.statement;
    if (signer !== peer || !holds(deps, signed)) {
      throw new Failure('authorization-invalid', `${peer} sends a statement that ${signer} has not made`);
    }
    await desk.take(signed);
    if (desk.has(signed)) await ask(peer, [signed]);
  };
}

/** Notices whose transcripts are not known yet. */
function pendingDesk(deps: NoticeDeps) {
  const { journal } = deps;
  const pending = new Map<string, Signed>();
  const patience = createPatience(deps.monotonicMs);

  const settle = async (signed: Signed, isComplete: boolean): Promise<void> => {
    const { signer, network, txid } = signed.statement;
    const name = nameOf(signed);
    // Somebody else was faster.
    if (!pending.has(name)) return;
    if (journal.state.transactions.has(`${network} ${txid}`)) {
      await journalStatement(journal, signed);
    } else if (isComplete || patience.isOver(name) || pending.size > pendingMax) {
      log('alarm', { alarm: 'signed-without-transcript', peer: signer, txid });
      await haltOver(deps, signer, txid);
    } else {
      return;
    }
    pending.delete(name);
    patience.forget(name);
  };
  const take = async (signed: Signed): Promise<void> => {
    pending.set(nameOf(signed), signed);
    await settle(signed, false);
  };
  const all = (): Signed[] => [...pending.values()];
  const of = (peer: string): Signed[] => all().filter(({ statement }) => statement.signer === peer);
  const peers = (): string[] => [...new Set(all().map(({ statement }) => statement.signer))];
  return { settle, take, all, of, peers, has: (signed: Signed) => pending.has(nameOf(signed)) };
}

function nameOf({ statement: { signer, network, txid } }: Signed): string {
  return `${signer} ${network} ${txid}`;
}

/** @returns whether this signer now has all that the peer would hand over. */
async function pullAll({ transcriptPull }: NoticeDeps, peer: string): Promise<boolean> {
  try {
    await transcriptPull.pull(peer);
  } catch (error) {
    log('transcripts-not-pulled', { peer, code: error instanceof Failure ? error.code : errorName(error) });
    return false;
  }
  return !transcriptPull.isWaiting(peer);
}
