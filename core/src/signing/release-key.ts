import { depositKey, type DepositPlace } from './deposit-key.ts';
import type { ReleaseRecord } from './customer-record.ts';

/** What a deposit in quarantine is decided about once by. */
export function releaseKey({ network, txid, index, asset }: ReleaseRecord): string {
  return JSON.stringify([network, txid, index, asset]);
}

/**
 * Where a claim would count the same money; null where none can: what came of a token without a log is proven by no node, and a
 * claim of the same block counts what came with one.
 */
export function claimableAt(record: ReleaseRecord): Omit<DepositPlace, 'asset'> | null {
  const { network, block_hash, address, index, txid } = record;
  if (index.startsWith('balance:') && !index.startsWith('balance:native:')) return null;
  const vout = /^vout:([0-9]+)$/.exec(index)?.[1];
  return { network, block_hash, address, outpoint: vout === undefined ? null : { txid, vout: Number(vout) } };
}

/** The same of what was decided about, by the policy's code of the asset: a release says no more. */
export function decidedKey(place: Omit<DepositPlace, 'asset'>, code: string): string {
  return depositKey({ ...place, asset: code });
}
