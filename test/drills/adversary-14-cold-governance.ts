import type { Adversary } from './attack.ts';
import { delayS, everythingScheduled, nobodyVetoes, redirected, withoutWaiting } from './attack-tools-14.ts';

/** The thief has the custodians' keys that rule the vault; not the cold Safe's, to which it is evacuated. */
export const coldGovernance: Adversary = {
  number: 14,
  has: 'enough keys of cold governance',
  vault: { governanceDelayS: delayS },
  // The last one empties the vault.
  attacks: [redirected, everythingScheduled, withoutWaiting, nobodyVetoes],
};
