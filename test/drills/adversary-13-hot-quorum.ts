import type { Adversary } from './attack.ts';
import { everyCoin } from './attack-tools-13-bitcoin.ts';
import { drainedUntilPaused, limits } from './attack-tools-13-drain.ts';
import { gasRefunds, overTheCap, signedForTokens, vaultTakenOver } from './attack-tools-13-vault.ts';

/** CoinEx: the thief has every hot key, and the chain as everybody has it. No signer's process is asked. */
export const hotQuorum: Adversary = {
  number: 13,
  has: 'the whole hot quorum: every owner key and every share',
  vault: { limits },
  // The last two empty the wallets.
  attacks: [overTheCap, vaultTakenOver, gasRefunds, signedForTokens, everyCoin, drainedUntilPaused],
};
