import { Failure } from '@holdfast/core/failure.ts';
import type { Checkpoints } from '../audit/checkpoints.ts';
import type { HaltDesk } from '../halts/halt-desk.ts';
import type { PeerJournals } from './peer-journals.ts';

/** Cosigns a peer's tree head; a peer that rewrote its log stops everything, and its own signature is the proof. */
export function cosignOrHalt(
  checkpoints: Pick<Checkpoints, 'cosign'>,
  halts: Pick<HaltDesk, 'haltSelf'>,
  copies: Pick<PeerJournals, 'copySoon'>,
): Checkpoints['cosign'] {
  return async (peer, request) => {
    // What is cosigned the peer must be able to come back to.
    await copies.copySoon(peer, request.checkpoint.size);
    try {
      return await checkpoints.cosign(peer, request);
    } catch (error) {
      if (error instanceof Failure && error.code === 'audit-invalid') {
        await halts.haltSelf({ network: null, asset: null }, `the log of ${peer} was rewritten`);
      }
      throw error;
    }
  };
}
