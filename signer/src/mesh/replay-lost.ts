import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { decodeRecord, type JournalHead, type JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { Journal } from '../journal/journal.ts';
import { errorName, log } from '../log.ts';
import type { TranscriptStore } from '../transcripts/transcript-store.ts';
import type { CallPeer } from '../transport/peer-client.ts';
import { isHeadOf, requestOf } from './peer-journals.ts';

interface LostDeps {
  readonly signer: string;
  /** This signer's own, Ed25519, 64 hex digits: nobody else can vouch for what it wrote. */
  readonly statementKey: string;
  readonly journal: Journal;
  readonly transcripts: TranscriptStore;
  readonly verifiers: Pick<Verifiers, 'ed25519'>;
}

interface Peer {
  readonly signer: string;
  readonly call: CallPeer;
}

const retryMs = 1_000;
const atOnceMax = 1_000;

/**
 * Puts back what a restored journal lacks, line for line, from the copies that the peers keep. Whoever let a signature out
 * with this signer has countersigned its journal, and a quorum may have been this signer and any one of them: so every peer
 * must have answered. Nothing else may write the journal before that; after a crash it goes on where it was.
 * @param waitsFor is told whose answer is missing.
 * @throws Failure audit-invalid when two peers hold different histories that this signer vouched for; the journal's.
 */
export async function replayLost(
  deps: LostDeps,
  peers: readonly Peer[],
  waitsFor: (signers: readonly string[]) => void,
  pause: () => Promise<unknown> = async () => sleep(retryMs),
): Promise<void> {
  const missing = new Map(peers.map((peer) => [peer.signer, peer]));
  for (;;) {
    for (const peer of missing.values()) {
      waitsFor([...missing.keys()]);
      if (await tryTake(deps, peer)) missing.delete(peer.signer);
    }
    if (missing.size === 0) return;
    await pause();
  }
}

/** @returns false when the peer has to be asked again. */
async function tryTake(deps: LostDeps, peer: Peer): Promise<boolean> {
  try {
    const records = await take(deps, peer);
    log('journal-replayed', { peer: peer.signer, records, seq: deps.journal.head().seq });
    return true;
  } catch (error) {
    if (error instanceof Failure && error.code === 'audit-invalid') throw error;
    // What this signer's own disk or clock refuses, it refuses again.
    deps.journal.assertUsable();
    deps.transcripts.assertUsable();
    log('journal-not-replayed', {
      peer: peer.signer,
      code: error instanceof Failure ? error.code : errorName(error),
    });
    return false;
  }
}

/** @returns how many records came from the peer. */
async function take(deps: LostDeps, peer: Peer): Promise<number> {
  const { journal, transcripts } = deps;
  const { lost, end } = await readLost(deps, peer);
  for (const { kind, body } of lost) {
    if (kind === 'accepted' && !transcripts.has(body.request))
      await transcripts.append(await requestOf(peer.call, body.request));
  }
  // What is appended at once is written at once, as one string.
  for (let at = 0; at < lost.length; at += atOnceMax)
    await Promise.all(lost.slice(at, at + atOnceMax).map(async (record) => put(journal, record)));
  invariant(journal.hashAt(end.seq) === end.hash, 'the journal has what the copy ends with');
  return lost.length;
}

/**
 * What the peer's copy has beyond the journal, verified to its end; held in memory. A peer without a copy has none.
 * @throws Failure invalid-request for a copy that this signer has not vouched for; audit-invalid.
 */
async function readLost(
  { signer, statementKey, journal, verifiers }: LostDeps,
  peer: Peer,
): Promise<{ lost: JournalRecord[]; end: { seq: number; hash: string } }> {
  const lost: JournalRecord[] = [];
  for (let head: JournalHead = journal.head(); ;) {
    const { lines, signed } = await peer.call('/v1/mesh/journal', { signer, after: head.seq });
    if (signed === null) return { lost, end: head };
    const end = signed.head;
    // By this signer's own key: a peer could not make up a line.
    if (!isHeadOf({ signer, statementKey }, signed, verifiers)) throw notOurs(peer, end.seq);
    if (end.seq <= journal.head().seq && journal.hashAt(end.seq) !== end.hash)
      throw new Failure(
        'audit-invalid',
        `${signer} has vouched for another record ${end.seq} than its journal has`,
        forked,
      );
    for (const line of lines) {
      const decoded = decodeRecord(head, line);
      ({ head } = decoded);
      lost.push(decoded.record);
    }
    if (head.seq < end.seq && lines.length > 0) continue;
    const isAll = lost.length === 0 ? end.seq <= head.seq : end.seq === head.seq && end.hash === head.hash;
    if (!isAll) throw notOurs(peer, head.seq);
    return { lost, end };
  }
}

function notOurs({ signer }: Peer, seq: number): Failure {
  return new Failure('invalid-request', `the copy of ${signer} ends with a record ${seq} that nobody vouched for`);
}

/** A record encodes to the line that it came from. */
async function put(journal: Journal, record: JournalRecord): Promise<void> {
  const { seq: _seq, prev: _prev, at_ms: atMs, ...entry } = record;
  await journal.append(entry, atMs);
}

const forked = {
  fix: 'This signer has run twice, or was restored twice. Keep its files and the copies in `peers/` of the others; replace it.',
};
