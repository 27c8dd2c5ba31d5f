import { hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '@holdfast/core/failure.ts';
import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import type { Verifiers } from '@holdfast/core/signing/verifiers.ts';
import type { Journal } from '../journal/journal.ts';
import type { CallPeer } from '../transport/peer-client.ts';
import type { Reservations } from '../wallets/wallet.ts';
import { durableHead } from './rollback-guard.ts';

export interface ReservingPeer {
  readonly signer: string;
  /** Ed25519, 64 hex digits, from this signer's own config. */
  readonly statementKey: string;
  readonly call: CallPeer;
}

/** A kept connection that the peer's restart has cut fails at once and is opened again; one that is slow is not waited for twice. */
const retryWithinMs = 1_000;

/**
 * Asks all peers in parallel to bind a transaction. To one peer it speaks one reservation at a time: each carries the end
 * of this journal, and a peer refuses an end before one that it has countersigned.
 * @returns a function that throws Failure with the first refusal; who could not be reached is in its answer.
 */
export function reserveOnPeers(input: {
  readonly signer: string;
  readonly peers: readonly ReservingPeer[];
  readonly journal: Pick<Journal, 'head' | 'flushed'>;
  readonly verifiers: Pick<Verifiers, 'ed25519'>;
  readonly monotonicMs: () => number;
}): (request: SigningRequest, txid: string) => Promise<Reservations> {
  const { signer, peers, journal, verifiers, monotonicMs } = input;
  const turns = new Map<string, Promise<unknown>>();

  const askOne = async (peer: ReservingPeer, request: SigningRequest, txid: string): Promise<void> => {
    const head = await durableHead(journal);
    const { countersignature } = await peer.call('/v1/mesh/reserve', { request, txid, head });
    const digest = statementDigest('head', { version: 1, signer, head });
    if (!verifiers.ed25519(hexToBytes(peer.statementKey), digest, countersignature)) {
      throw new Failure('reservation-refused', `the countersignature of ${peer.signer} does not hold`);
    }
  };

  const askInTurn = async (peer: ReservingPeer, request: SigningRequest, txid: string): Promise<boolean> => {
    const before = turns.get(peer.signer) ?? Promise.resolve();
    const ask = async (): Promise<boolean> => {
      for (const startMs = monotonicMs(), last = { attempt: 1 }; ; last.attempt += 1) {
        try {
          await askOne(peer, request, txid);
          return true;
        } catch (error) {
          if (!(error instanceof Failure) || error.code !== 'signers-unavailable') throw error;
          if (last.attempt > 1 || monotonicMs() - startMs > retryWithinMs) return false;
        }
      }
    };
    const own = before.then(ask);
    turns.set(
      peer.signer,
      own.catch(() => undefined),
    );
    return own;
  };

  return async (request, txid) => {
    const answers = await Promise.all(peers.map((peer) => askInTurn(peer, request, txid)));
    const named = peers.map((peer, at) => ({ signer: peer.signer, reserved: answers[at] === true }));
    return {
      reserved: named.flatMap((one) => (one.reserved ? one.signer : [])),
      unreachable: named.flatMap((one) => (one.reserved ? [] : one.signer)),
    };
  };
}
