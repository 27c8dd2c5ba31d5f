import { Failure } from '@holdfast/core/failure.ts';
import type { MeshHello } from '@holdfast/core/signing/messages.ts';
import type { KeyPeer } from './keys/key-generation.ts';
import { agreedTime } from './mesh/agreed-time.ts';

/** What this signer hears of its peers every few seconds. */
export interface PeerWatch {
  /** How many answered the last time. */
  readonly reachable: () => number;
  /** The peer's last hello, not older than a minute; null otherwise. */
  readonly helloOf: (signer: string) => MeshHello | null;
  /** A hello that the peer said by itself. */
  readonly heard: (signer: string, hello: MeshHello) => void;
  /** Says hello now. @throws Failure signers-unavailable. */
  readonly ask: (signer: string) => Promise<void>;
  /** @throws Failure clock-behind, see `agreedTime`. */
  readonly agreedNowMs: () => number;
}

const everyMs = 5_000;
const staleMs = 60_000;

interface Heard {
  readonly hello: MeshHello;
  readonly atMs: number;
}

export function watchPeers(input: {
  readonly peers: readonly KeyPeer[];
  /** What this signer says to a peer. */
  readonly hello: (signer: string) => MeshHello;
  readonly clock: () => number;
  /** A clock that is never set. */
  readonly monotonicMs: () => number;
  readonly onHello: (signer: string, hello: MeshHello) => void;
  readonly signal: AbortSignal;
}): PeerWatch {
  const { peers, clock, monotonicMs } = input;
  const answering = new Set<string>();
  const heardOf = new Map<string, Heard>();
  /** How far each peer's clock is ahead, as far as it is known. */
  const offsets = new Map<string, { readonly ms: number; readonly atMs: number }>();

  const heard: PeerWatch['heard'] = (signer, hello) => {
    // The certificate says who it is; a hello in another name is nobody's.
    if (hello.signer !== signer) return;
    heardOf.set(signer, { hello, atMs: monotonicMs() });
    input.onHello(signer, hello);
  };

  const ask: PeerWatch['ask'] = async (signer) => {
    const peer = peers.find((one) => one.signer === signer);
    if (!peer) throw new Failure('peer-unknown', `no peer ${signer}`);
    const askedAtMs = monotonicMs();
    try {
      const hello = await peer.call('/v1/mesh/hello', input.hello(signer));
      const answeredAtMs = monotonicMs();
      // Half the way is the best guess of when the peer read its clock.
      const ms = hello.now_ms - (clock() - (answeredAtMs - askedAtMs) / 2);
      answering.add(signer);
      offsets.set(signer, { ms, atMs: answeredAtMs });
      heard(signer, hello);
    } catch (error) {
      answering.delete(signer);
      throw error;
    }
  };

  const agreedNowMs = (): number => {
    const fresh = [...offsets.values()].filter(({ atMs }) => monotonicMs() - atMs < staleMs);
    return agreedTime(
      clock(),
      fresh.map(({ ms }) => ms),
    );
  };

  const helloOf = (signer: string): MeshHello | null => {
    const last = heardOf.get(signer);
    return last && monotonicMs() - last.atMs < staleMs ? last.hello : null;
  };

  const askAll = (): void => {
    for (const { signer } of peers) ask(signer).catch(() => undefined);
  };
  askAll();
  const timer = setInterval(askAll, everyMs);
  input.signal.addEventListener('abort', () => clearInterval(timer));
  return { reachable: () => answering.size, helloOf, heard, ask, agreedNowMs };
}
