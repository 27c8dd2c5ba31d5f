import { accountCodes } from '../ledger/account-codes.ts';
import type { Posting } from '../ledger/posting.ts';
import type { AssetCode } from '../money/asset.ts';
import { baseUnits } from '../money/base-units.ts';
import type { NetworkId } from '../money/network.ts';

export interface DecidedDeposit {
  readonly id: string;
  /** Names this decision; another one about the same deposit, after a reorg, has another. */
  readonly releaseId: string;
  readonly decision: 'credit' | 'keep';
  /** Why it was in quarantine. */
  readonly reason: string | null;
  readonly asset: AssetCode;
  readonly amount: bigint;
}

/**
 * Takes a deposit out of quarantine: into what awaits its credit, or to the house. One that no balance proved is in no
 * account until then: with the decision it is booked where it is, on its EVM address.
 */
export function decideRelease(network: NetworkId, deposit: DecidedDeposit): Posting {
  const { id, releaseId, asset, amount } = deposit;
  return {
    idem: `release/${releaseId}`,
    cause: `release:${id}`,
    debit:
      deposit.reason === 'balance-unread'
        ? accountCodes.uncollected(network, asset)
        : accountCodes.quarantine(network, asset),
    credit: deposit.decision === 'credit' ? accountCodes.unconfirmed(network, asset) : accountCodes.capital(asset),
    amount: baseUnits(amount),
  };
}
