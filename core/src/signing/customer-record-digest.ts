import { bytesToHex } from '@noble/hashes/utils.js';
import type { CustomerRecord } from './customer-record.ts';
import { statementDigest, type StatementKind } from './statement.ts';

const kinds: Readonly<Record<CustomerRecord['record']['kind'], StatementKind>> = {
  credential: 'customer-record',
  destination: 'customer-record',
  deposit: 'customer-record',
  settlement: 'settlement',
  adjustment: 'adjustment',
  release: 'release',
};

/** What is signed of a record, 32 bytes: the record without its evidence. */
export function customerRecordDigestBytes({ record }: Pick<CustomerRecord, 'record'>): Uint8Array {
  return statementDigest(kinds[record.kind], record);
}

/** The digest as 64 lower-case hex digits, the record's name everywhere. */
export function customerRecordDigest(signed: Pick<CustomerRecord, 'record'>): string {
  return bytesToHex(customerRecordDigestBytes(signed));
}
