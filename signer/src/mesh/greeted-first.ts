import { Failure } from '@holdfast/core/failure.ts';
import type { PeerWatch } from '../peer-watch.ts';
import type { WalletDeps } from '../wallets/wallet.ts';

/** Hears what a peer runs. @throws Failure build-not-permitted; signers-unavailable when it says no hello. */
export type JudgePeersBuild = (signer: string) => Promise<void>;

/** @param permitBuild throws Failure build-not-permitted. */
export function peersBuildJudge(
  watch: Pick<PeerWatch, 'helloOf' | 'ask'>,
  permitBuild: (build: string) => void,
): JudgePeersBuild {
  return async (signer) => {
    if (!watch.helloOf(signer)) await watch.ask(signer);
    const hello = watch.helloOf(signer);
    if (!hello) throw new Failure('signers-unavailable', `${signer} has not said what it runs`);
    permitBuild(hello.build);
  };
}

/**
 * Asks for reservations, and counts a peer's only when it has said hello: what it has countersigned shows a journal that was
 * set back and has grown past that record meanwhile, which would else be believed until the first hello after the start.
 * Nobody waits for a peer that does not reserve. Whoever signs then asks the rollback guard. A peer whose build may not
 * sign counts as away: the word of poisoned code is none.
 */
export function greetedFirst(judge: JudgePeersBuild, reserve: WalletDeps['reserve']): WalletDeps['reserve'] {
  const counts = async (signer: string): Promise<boolean> =>
    judge(signer).then(
      () => true,
      () => false,
    );
  return async (request, txid) => {
    const { reserved, unreachable } = await reserve(request, txid);
    const counted = await Promise.all(reserved.map(counts));
    return {
      reserved: reserved.filter((_, at) => counted[at]),
      unreachable: [...unreachable, ...reserved.filter((_, at) => !counted[at])],
    };
  };
}
