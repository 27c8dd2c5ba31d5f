import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import type { PeerWatch } from '../peer-watch.ts';
import type { WalletDeps } from '../wallets/wallet.ts';

/**
 * Asks for reservations, and of every peer that reserves hears first what it has countersigned: a journal that was set back
 * and has grown past that record meanwhile would else be believed until the first hello after the start. Nobody waits for a
 * peer that is away. Whoever signs then asks the rollback guard.
 */
export function greetedFirst(
  peers: readonly { readonly signer: string }[],
  watch: Pick<PeerWatch, 'helloOf' | 'ask'>,
  reserve: WalletDeps['reserve'],
): WalletDeps['reserve'] {
  const greeted = new Set<string>();
  const greet = async (signer: string): Promise<void> => {
    if (!watch.helloOf(signer)) await watch.ask(signer);
    greeted.add(signer);
  };
  return async (request: SigningRequest, txid: string) => {
    const missing = peers.filter(({ signer }) => !greeted.has(signer));
    const asked = new Map(missing.map(({ signer }) => [signer, greet(signer)]));
    // Whose reservation does not come is not waited for.
    for (const one of asked.values()) one.catch(() => undefined);
    const { reserved, unreachable } = await reserve(request, txid);
    const heard = await Promise.all(
      reserved.map(async (signer) => {
        const greeting = asked.get(signer) ?? Promise.resolve();
        return greeting.then(
          () => true,
          () => false,
        );
      }),
    );
    return {
      reserved: reserved.filter((_, at) => heard[at]),
      unreachable: [...unreachable, ...reserved.filter((_, at) => !heard[at])],
    };
  };
}
