import { Failure } from '@holdfast/core/failure.ts';
import type { PeerWatch } from '../peer-watch.ts';
import { judgePeer, type Standing } from './judge-peer.ts';

/**
 * Judges a peer by its last hello. What the hello speaks against is asked again, because a policy takes effect at all
 * signers within seconds of each other, but not at once.
 */
export function assertPeer(
  watch: Pick<PeerWatch, 'helloOf' | 'ask'>,
  standing: () => Standing,
  judgePeersBuild: (build: string) => void,
): (signer: string) => Promise<void> {
  const judge = (signer: string): void => {
    const hello = watch.helloOf(signer);
    if (!hello) throw new Failure('signers-unavailable', `${signer} has not said hello`);
    judgePeer(standing(), hello, judgePeersBuild);
  };
  return async (signer) => {
    try {
      judge(signer);
    } catch {
      await watch.ask(signer);
      judge(signer);
    }
  };
}
