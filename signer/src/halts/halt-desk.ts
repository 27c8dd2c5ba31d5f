import { randomUUID } from 'node:crypto';
import { Failure } from '@holdfast/core/failure.ts';
import { decideHalt, peerHalt as decidePeerHalt } from '@holdfast/core/signing/decide-halt.ts';
import { decideResume } from '@holdfast/core/signing/decide-resume.ts';
import type { HaltScope, HaltStatement, SignedHalt, SignedResume } from '@holdfast/core/signing/halt.ts';
import type { EntryOf } from '@holdfast/core/signing/journal-record.ts';
import type { MeshRequest, SignerStatus } from '@holdfast/core/signing/messages.ts';
import { statementDigestHex } from '@holdfast/core/signing/statement.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { Journal } from '../journal/journal.ts';
import { log } from '../log.ts';
import type { PolicyStore } from '../policy/policy-store.ts';
import type { Spread } from './spread.ts';

/**
 * Halts and resumptions of this signer. A halt counts in its memory at once and is on the disk before it is answered; the
 * peers are told at the same time, by whoever hears of it first.
 */
export interface HaltDesk {
  /** With evidence: an operator's passkey, a watcher's key, an offline token. @throws Failure halt-invalid, and the journal's. */
  readonly halt: (signed: SignedHalt) => Promise<{ digest: string }>;
  /**
   * From the mesh: with evidence, or on the word of the peer whose certificate called.
   * @throws Failure halt-invalid; rate-limited when the peer has too many halts open already; the journal's.
   */
  readonly peerHalt: (signer: string, message: MeshRequest<'/v1/mesh/halt'>) => Promise<void>;
  /** This signer's own. While one for the same reason is open, it is that one. @throws Failure the journal's. */
  readonly haltSelf: (scope: HaltScope, reason: string) => Promise<{ digest: string }>;
  /**
   * As `haltSelf` for everything, because nothing that this signer knows explains what it saw: only while it can learn
   * (ADR 0032). @throws Failure journal-broken, clock-behind, and nobody hears of it then.
   */
  readonly haltUnexplained: (reason: string) => Promise<{ digest: string }>;
  /** @throws Failure clock-behind when the peers have another time, resume-invalid, approval-invalid, and the journal's. */
  readonly resume: (signed: SignedResume) => Promise<void>;
  /** Halts that are not lifted. */
  readonly open: () => SignerStatus['halts'];
}

/**
 * Whoever is taken over, or makes a signer see trouble again and again, may halt, not fill journals. Counted by what is
 * halted: twenty halts of one network must not keep out the one that stops everything.
 */
const openOfScopeMax = 20;
const openOfPeerMax = 200;
const reasonMax = 200;

/** @param input.signer this signer's own id. */
export function createHaltDesk(input: {
  readonly signer: string;
  readonly journal: Journal;
  readonly policies: Pick<PolicyStore, 'current'>;
  readonly verifiers: Verifiers;
  readonly spread: Spread;
  /** Only resumptions ask it: no halt waits for clocks. @throws Failure clock-behind. */
  readonly agreedNowMs: () => number;
  /** @throws Failure journal-broken, clock-behind while this signer could not take over what a peer has accepted. */
  readonly assertLearning: () => void;
}): HaltDesk {
  const { signer, journal, policies, verifiers, spread, agreedNowMs, assertLearning } = input;
  const { state } = journal;
  /** Own halts that are on their way to the disk, or never got there. */
  const unwritten = new Set<string>();

  /** Peers hear of it even when this signer's own disk fails: the entry was decided, its evidence holds. */
  const record = async (entry: EntryOf<'halt'> | null, message: MeshRequest<'/v1/mesh/halt'> | null): Promise<void> => {
    if (!entry) return journal.flushed();
    log('halted', { digest: entry.body.digest, by: entry.body.by, reason: entry.body.statement.reason });
    if (message) spread('/v1/mesh/halt', message);
    await journal.append(entry);
  };

  const halt: HaltDesk['halt'] = async (signed) => {
    const policy = policies.current(journal.nowMs());
    await record(decideHalt(state, signed, { policy, verifiers }), signed);
    return { digest: digestOf(signed.statement) };
  };

  const haltSelf: HaltDesk['haltSelf'] = async (scope, reason) => {
    const shown = reason.slice(0, reasonMax);
    const ofScope = open().filter(({ by, statement }) => by === signer && isScope(statement, scope));
    const same =
      ofScope.find(({ statement }) => statement.reason === shown) ??
      (ofScope.length >= openOfScopeMax ? ofScope.at(-1) : undefined);
    if (same) {
      await journal.flushed();
      return { digest: same.digest };
    }
    // The peers hear once of what this signer cannot write down, however often it sees it.
    const name = JSON.stringify([scope.network, scope.asset, shown]);
    if (unwritten.has(name)) journal.assertUsable();
    const statement: HaltStatement = { version: 1, kind: 'halt', scope, reason: shown, nonce: randomUUID() };
    unwritten.add(name);
    await record(decidePeerHalt(state, statement, signer), { statement });
    unwritten.delete(name);
    return { digest: digestOf(statement) };
  };

  const haltUnexplained: HaltDesk['haltUnexplained'] = async (reason) => {
    assertLearning();
    return haltSelf({ network: null, asset: null }, reason);
  };

  const refuseTooMany = (peer: string, scope: HaltScope): void => {
    const ofPeer = open().filter(({ by }) => by === peer);
    const ofScope = ofPeer.filter(({ statement }) => isScope(statement, scope));
    const isAll = scope.network === null && scope.asset === null;
    if (ofScope.length >= openOfScopeMax || (ofPeer.length >= openOfPeerMax && !isAll)) {
      throw new Failure('rate-limited', `${peer} has ${ofPeer.length} halts open, ${ofScope.length} of them of this`);
    }
  };

  const peerHalt: HaltDesk['peerHalt'] = async (peer, message) => {
    if ('evidence' in message) {
      await halt(message);
      return;
    }
    const entry = decidePeerHalt(state, message.statement, peer);
    if (entry) refuseTooMany(peer, message.statement.scope);
    // The peer tells the others itself: its word counts only under its own certificate.
    await record(entry, null);
  };

  const resume: HaltDesk['resume'] = async (signed) => {
    agreedNowMs();
    const nowMs = journal.nowMs();
    const entry = decideResume(state, signed, { policy: policies.current(nowMs), verifiers, nowMs });
    if (!entry) return journal.flushed();
    await journal.append(entry, nowMs);
    log('resumed', { digest: entry.body.digest, halts: signed.statement.halts.length });
    spread('/v1/mesh/resume', signed);
  };

  const open = (): SignerStatus['halts'] =>
    [...state.halts].map(([digest, { statement, by, atMs }]) => ({ digest, statement, by, at_ms: atMs }));

  return { halt, peerHalt, haltSelf, haltUnexplained, resume, open };
}

function digestOf(statement: HaltStatement): string {
  return statementDigestHex('halt', statement);
}

function isScope(statement: HaltStatement, { network, asset }: HaltScope): boolean {
  return statement.scope.network === network && statement.scope.asset === asset;
}
