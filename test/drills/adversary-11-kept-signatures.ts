import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { Adversary } from './attack.ts';
import { keptBitcoin, keptSafe, keptTooLong } from './attack-tools-11-chain.ts';
import { keptIntents, keptPolicy, keptResumption, keptSessions } from './attack-tools-11-evidence.ts';

/** A new version of the policy counts within seconds, so that an attack does not take minutes. */
function policy(version1: Policy): void {
  version1.delays = { tighten_s: 1, loosen_s: 2 };
}

/** Whatever was signed once, by signers or by people, and never used or used already. */
export const keptSignatures: Adversary = {
  number: 11,
  has: 'signatures made earlier and kept',
  policy,
  // The last one moves the chain's clock by an hour.
  attacks: [keptSafe, keptBitcoin, keptIntents, keptResumption, keptSessions, keptPolicy, keptTooLong],
};
