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
  readonly asset: AssetCode;
  readonly amount: bigint;
}

/** Takes a deposit out of quarantine: into what awaits its credit, or to the house. */
export function decideRelease(network: NetworkId, deposit: DecidedDeposit): Posting {
  const { id, releaseId, asset, amount } = deposit;
  return {
    idem: `release/${releaseId}`,
    cause: `release:${id}`,
    debit: accountCodes.quarantine(network, asset),
    credit: deposit.decision === 'credit' ? accountCodes.unconfirmed(network, asset) : accountCodes.capital(asset),
    amount: baseUnits(amount),
  };
}

/** Puts it back, when a reorg takes its block away; a credit has been taken back before. */
export function decideUnrelease(network: NetworkId, deposit: DecidedDeposit): Posting {
  const { idem, debit, credit, ...posting } = decideRelease(network, deposit);
  return { ...posting, idem: `un${idem}`, debit: credit, credit: debit };
}
