import { Failure } from '@holdfast/core/failure.ts';
import type { NetworkPolicy, Policy } from '@holdfast/core/policy/policy.ts';
import { intentDigestHex, type AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { MeshRequest, SigningRequest } from '@holdfast/core/signing/messages.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { Journal } from '../journal/journal.ts';
import type { StatementKey } from '../keys/statement-key.ts';
import { log } from '../log.ts';
import type { PolicyStore } from '../policy/policy-store.ts';
import type { TranscriptStore } from '../transcripts/transcript-store.ts';

/** What every wallet of this signer works with. */
export interface WalletDeps {
  /** This signer's id. */
  readonly signer: string;
  /** How many signers' signatures a transaction takes. */
  readonly quorum: number;
  readonly journal: Journal;
  readonly transcripts: TranscriptStore;
  readonly policies: Pick<PolicyStore, 'current'>;
  readonly verifiers: Verifiers;
  readonly statement: StatementKey;
  /** The time of day, UTC milliseconds. */
  readonly clock: () => number;
  /** Never ahead of this clock nor of the median of all signers'. @throws Failure clock-behind. */
  readonly agreedNowMs: () => number;
  /** @throws Failure with why this signer signs nothing at the moment. */
  readonly assertReady: () => void;
  /** Whether the policy lets the build sign that this signer runs, addresses too. @throws Failure build-not-permitted. */
  readonly assertBuild: () => void;
  /** Asks every peer for its reservation. @throws Failure with the first refusal. */
  readonly reserve: (request: SigningRequest, txid: string) => Promise<Reservations>;
  /** Tells the peers that a signature was let out; nobody waits for it. */
  readonly notifySigned: (signed: MeshRequest<'/v1/mesh/signed'>) => void;
  /** Last height of a network that this signer's own watcher has looked at; 0 before the first. */
  readonly watchedHeight: (network: string) => number;
}

export interface Reservations {
  /** Peers that have reserved. */
  readonly reserved: readonly string[];
  /** Peers that could not be asked. */
  readonly unreachable: readonly string[];
}

/** By what a request is judged: the policy in force, or for what peers have signed already a wider one. */
export interface Judgement {
  readonly policy: Policy;
  /** Agreed with the peers, UTC milliseconds. */
  readonly nowMs: number;
  /** Peers have accepted it already: what is refused by now may have been right then. */
  readonly isFact?: true;
}

/** What holds for every signature: journal, build and peers are fine. @throws Failure with what is not. */
export function beginSigning(deps: WalletDeps): Judgement {
  deps.journal.assertUsable();
  deps.assertReady();
  const nowMs = deps.agreedNowMs();
  return { policy: deps.policies.current(nowMs), nowMs };
}

/** A clock so far behind the chain's is wrong, whatever the peers say; miners may be two hours ahead. */
const blockAheadMsMax = 2 * 3_600_000;

/**
 * The chain's time is the one that no time server of the signers' sets: with all clocks ahead, delays would end early.
 * @throws Failure clock-behind when the newest block's time is hours ahead of the agreed one, or older than the policy takes.
 */
export function assertBlockTime(
  blockTimeMs: number,
  nowMs: number,
  { network, block_age_s_max: ageSMax }: Pick<NetworkPolicy, 'network' | 'block_age_s_max'>,
): void {
  const block = `the last block of ${network}, of ${new Date(blockTimeMs).toISOString()}`;
  const now = new Date(nowMs).toISOString();
  const fix = 'Check the clocks of the signers, and whether the node is in step with its chain.';
  if (blockTimeMs > nowMs + blockAheadMsMax) {
    throw new Failure('clock-behind', `${block}, is ${blockTimeMs - nowMs} ms ahead of the clock, ${now}`, { fix });
  }
  const ageMs = nowMs - blockTimeMs;
  if (ageMs <= ageSMax * 1_000) return;
  const seconds = Math.floor(ageMs / 1_000);
  const most = `${block}, is ${seconds} s old by the clock, ${now}; the policy takes ${ageSMax} s`;
  throw new Failure('clock-behind', most, { fix });
}

const refusalsPerHourMax = 500;
const digestsMax = 5;
const hourMs = 3_600_000;

/**
 * Runs a request, logs and journals its refusal; at most 500 an hour, so that a hostile caller cannot fill the disk. The
 * first one above that raises an alarm, for what is refused behind a flood is seen nowhere else; how many they were is in
 * the next record.
 */
export function refusalRecorder(deps: Pick<WalletDeps, 'journal' | 'clock'>) {
  let hour = 0;
  let count = 0;
  /** Refusals that no record counts yet. */
  let suppressed = 0;
  const record = async (network: string, { code, message }: Failure, digests: readonly string[]): Promise<void> => {
    const thisHour = Math.floor(deps.clock() / hourMs);
    count = thisHour === hour ? count + 1 : 1;
    hour = thisHour;
    if (count > refusalsPerHourMax) {
      suppressed += 1;
      if (count === refusalsPerHourMax + 1) {
        log('alarm', { alarm: 'refusals-suppressed', network, code, recorded: refusalsPerHourMax });
      }
      return;
    }
    const before = suppressed;
    suppressed = 0;
    const counted = before > 0 ? { suppressed: before } : {};
    log('refused', { network, code, message, ...counted });
    const body = { network, code, digests: digests.slice(0, digestsMax), ...counted };
    // Without a usable journal there is nothing to write to, and the refusal stands all the same.
    await deps.journal.append({ kind: 'refused', body }).catch(() => void (suppressed += before));
  };
  return async <T>(network: string, digests: () => readonly string[], run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      if (error instanceof Failure) await record(network, error, digests());
      throw error;
    }
  };
}

/** What a signing request is about. */
export function digestsOf(intents: readonly AuthorizedIntent[]): () => string[] {
  return () => intents.slice(0, digestsMax).map(({ intent }) => intentDigestHex(intent));
}

/** In place of a network where a refusal is about none. */
export const allNetworks = 'all';
