import type { KeyPeer } from './keys/key-generation.ts';

const everyMs = 5_000;

/** Says hello to every peer now and then. @returns how many answered the last time. */
export function watchPeers(peers: readonly KeyPeer[], signal: AbortSignal): () => number {
  const answering = new Set<string>();
  const ask = (): void => {
    for (const peer of peers) {
      peer.call('/v1/mesh/hello', {}).then(
        () => answering.add(peer.signer),
        () => answering.delete(peer.signer),
      );
    }
  };
  ask();
  const timer = setInterval(ask, everyMs);
  signal.addEventListener('abort', () => clearInterval(timer));
  return () => answering.size;
}
