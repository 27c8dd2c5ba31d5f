import { Failure } from '@holdfast/core/failure.ts';
import type { MeshHello } from '@holdfast/core/signing/messages.ts';
import type { HaltDesk } from '../halts/halt-desk.ts';
import type { PolicyStore } from '../policy/policy-store.ts';
import type { CallPeer } from '../transport/peer-client.ts';
import type { TranscriptPull } from './pull-transcripts.ts';
import type { RollbackGuard } from './rollback-guard.ts';

const policyEveryMs = 60_000;

/**
 * What a peer's hello sets in motion: a look at whether this journal was set back, transcripts that are new there, and
 * halts and policies that the peer has missed.
 */
export function followPeer(input: {
  readonly peers: readonly { readonly signer: string; readonly call: CallPeer }[];
  readonly guard: Pick<RollbackGuard, 'check'>;
  readonly transcripts: Pick<TranscriptPull, 'pull' | 'isWaiting'>;
  readonly halts: Pick<HaltDesk, 'open'>;
  readonly policies: Pick<PolicyStore, 'known'>;
  /** A clock that is never set. */
  readonly monotonicMs: () => number;
}): (signer: string, hello: MeshHello) => void {
  const { peers, guard, transcripts, halts, policies, monotonicMs } = input;
  /** By peer: the end of its journal when its transcripts were asked for. */
  const pulled = new Map<string, string>();
  /** By peer: when it was last sent the policies that it lacks. */
  const policiesSentMs = new Map<string, number>();
  /** By peer and halt: the peer's boot in which it was told; empty before it was. */
  const told = new Map<string, string>();

  const pull = async (signer: string, { boot_id, head }: MeshHello): Promise<void> => {
    const end = `${boot_id} ${head.seq}`;
    // What waits for something is looked at again, and given up in time, also when the peer's journal stands still.
    if (pulled.get(signer) === end && !transcripts.isWaiting(signer)) return;
    pulled.set(signer, end);
    try {
      await transcripts.pull(signer);
    } catch {
      pulled.delete(signer);
    }
  };

  const sendMissed = async (signer: string, hello: MeshHello): Promise<void> => {
    const call = peers.find((peer) => peer.signer === signer)?.call;
    if (!call) return;
    // Not by how many it has: those may be others. Halts that the peer knows count there once.
    for (const { digest, statement } of halts.open()) {
      const name = `${signer} ${digest}`;
      const toldBoot = told.get(name);
      if (toldBoot === hello.boot_id) continue;
      // A new one is on its way already, with its evidence; here it comes on the word of this signer alone.
      told.set(name, toldBoot === undefined ? '' : hello.boot_id);
      if (toldBoot === undefined) continue;
      await call('/v1/mesh/halt', { statement }).catch((error: unknown) => {
        // One that is too many keeps back no other.
        if (error instanceof Failure && error.code === 'rate-limited') return;
        told.set(name, '');
        throw error;
      });
    }
    const newer = policies.known().filter(({ policy }) => policy.version > hello.policy.version);
    const sentMs = policiesSentMs.get(signer) ?? Number.NEGATIVE_INFINITY;
    if (newer.length === 0 || monotonicMs() - sentMs < policyEveryMs) return;
    policiesSentMs.set(signer, monotonicMs());
    for (const signed of newer) await call('/v1/mesh/policy', signed);
  };

  return (signer, hello) => {
    guard.check(signer, hello.your_head);
    void pull(signer, hello);
    // The next hello comes in seconds.
    sendMissed(signer, hello).catch(() => undefined);
  };
}
