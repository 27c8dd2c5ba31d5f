import type { DepositClaim } from './customer-record.ts';

/**
 * What a deposit counts once by: an output, or on networks without outputs all that an address received of an asset in a
 * block. The parts hold no space once the claim was checked against the policy and the journal.
 */
export function depositKey({ network, block_hash: blockHash, address, asset, outpoint }: DepositClaim): string {
  return outpoint === null
    ? `${network} ${blockHash} ${address} ${asset}`
    : `${network} ${outpoint.txid}:${outpoint.vout}`;
}
