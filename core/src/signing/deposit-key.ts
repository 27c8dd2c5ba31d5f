import type { DepositClaim } from './customer-record.ts';

export type DepositPlace = Pick<DepositClaim, 'network' | 'block_hash' | 'address' | 'asset' | 'outpoint'>;

/**
 * What a deposit counts once by: an output, or on networks without outputs all that an address received of an asset in a
 * block. The parts hold no space once the claim was checked against the policy and the journal. Addresses
 * count in any case of their letters, for a release names them as whoever made it did.
 */
export function depositKey({ network, block_hash: blockHash, address, asset, outpoint }: DepositPlace): string {
  return outpoint === null
    ? `${network} ${blockHash} ${address} ${asset}`.toLowerCase()
    : `${network} ${outpoint.txid}:${outpoint.vout}`;
}
