import type { EvmNetworkPolicy, Policy } from '@holdfast/core/policy/policy.ts';
import { units } from '../support/payouts.ts';
import type { Adversary } from './attack.ts';
import {
  enrolledByStolenKey,
  falseCredit,
  forgedCredential,
  forgedResume,
  swappedDepositAddress,
} from './attack-tools-forged-facts.ts';
import {
  forgedApprovals,
  mintedBalance,
  replayedIntent,
  smallWithdrawals,
  stolenKeyHourMax,
  swappedDestination,
} from './attack-tools-forged-payments.ts';

/** Small limits, so that a thief is at them within a drill. */
function policy(version1: Policy): void {
  const evm = version1.networks.find((network): network is EvmNetworkPolicy => network.family === 'evm')!;
  for (const asset of evm.assets) {
    if (asset.code === 'ETH') {
      asset.approval_tiers = [
        { above: units('ETH', '5').toString(), approvals: 2, offline: 0 },
        { above: units('ETH', '20').toString(), approvals: 3, offline: 1 },
      ];
    }
    if (asset.code === 'USDC') {
      asset.integrator_limits = {
        per_transaction_max: units('USDC', '100').toString(),
        per_hour_max: units('USDC', stolenKeyHourMax).toString(),
        per_day_max: units('USDC', '2000').toString(),
      };
    }
  }
}

/** Row 1 of the threat model: Stake, Alphapo, Upbit 2019. */
export const hostAndDatabase: Adversary = {
  number: 1,
  has: 'root on the API host and the database, the keys that lie there, accomplices',
  policy,
  attacks: [
    forgedApprovals,
    swappedDestination,
    replayedIntent,
    smallWithdrawals,
    mintedBalance,
    forgedCredential,
    swappedDepositAddress,
    forgedResume,
    falseCredit,
    enrolledByStolenKey,
  ],
};
