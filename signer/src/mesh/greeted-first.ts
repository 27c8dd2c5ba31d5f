import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import type { PeerWatch } from '../peer-watch.ts';
import type { WalletDeps } from '../wallets/wallet.ts';

/**
 * Asks for reservations, and of every peer that reserves hears first what it has countersigned: a journal that was set back
 * and has grown past that record meanwhile would else be believed until the first hello after the start. Nobody waits for a
 * peer that is away. Whoever signs then asks the rollback guard. A peer whose build may not sign counts as away: the word
 * of poisoned code is none.
 * @param judgePeersBuild throws Failure build-not-permitted.
 */
export function greetedFirst(
  peers: readonly { readonly signer: string }[],
  watch: Pick<PeerWatch, 'helloOf' | 'ask'>,
  judgePeersBuild: (build: string) => void,
  reserve: WalletDeps['reserve'],
): WalletDeps['reserve'] {
  const greeted = new Set<string>();
  const greet = async (signer: string): Promise<void> => {
    if (!watch.helloOf(signer)) await watch.ask(signer);
    greeted.add(signer);
  };
  const counts = async (signer: string, greeting: Promise<void> | undefined): Promise<boolean> => {
    try {
      await greeting;
      if (!watch.helloOf(signer)) await watch.ask(signer);
      const hello = watch.helloOf(signer);
      if (!hello) return false;
      judgePeersBuild(hello.build);
      return true;
    } catch {
      return false;
    }
  };
  return async (request: SigningRequest, txid: string) => {
    const missing = peers.filter(({ signer }) => !greeted.has(signer));
    const asked = new Map(missing.map(({ signer }) => [signer, greet(signer)]));
    // Whose reservation does not come is not waited for.
    for (const one of asked.values()) one.catch(() => undefined);
    const { reserved, unreachable } = await reserve(request, txid);
    const heard = await Promise.all(reserved.map(async (signer) => counts(signer, asked.get(signer))));
    return {
      reserved: reserved.filter((_, at) => heard[at]),
      unreachable: [...unreachable, ...reserved.filter((_, at) => !heard[at])],
    };
  };
}
