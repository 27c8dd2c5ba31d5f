import type { ReleaseRecord } from './customer-record.ts';

/** What a deposit in quarantine is decided about once by. */
export function releaseKey({ network, txid, index, asset }: ReleaseRecord): string {
  return JSON.stringify([network, txid, index, asset]);
}
