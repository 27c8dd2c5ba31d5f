/** What a rebuilding did, as it is printed and kept. */
export interface RebuildReport {
  /** What signers knew and the database did not, at the beginning. */
  readonly lost: string;
  /** When the first of it was told to a signer. */
  readonly lost_from: string;
  /** Signers whose journals were not read, with the reason. */
  readonly signers_away: string[];
  /** Put back now; a run that was interrupted before may have put back more. */
  readonly restored: {
    customers: number;
    deposit_addresses: number;
    records: number;
    withdrawals: number;
    transactions: number;
  };
  /** From the chains. */
  readonly read_again: { blocks_taken_off: number; blocks_applied: number; deposits_credited: number };
  /** Withdrawals whose amounts are set aside again. */
  holds: number;
  /** Transactions of the relayer that only the chain knew. */
  relayed: number;
  /** What somebody has to look at. */
  readonly notes: string[];
  /** What signers know and the database still lacks. */
  left: string[];
  /** What no signer and no chain knows, so that nobody can put it back. */
  readonly not_restorable: readonly string[];
}

const notRestorable = [
  'customers without a deposit address on any network, a record or a withdrawal',
  'withdrawals that were accepted and never offered to the signers: ask for them again with the same client_reference and intent, which is never paid twice',
  'approvals of withdrawals that were never offered to the signers',
  'webhook endpoints, deliveries and answers kept for Idempotency-Keys of that time',
  'numbers of events: the ones after the gap tell again of what was rebuilt',
  'ids of deposits: the same deposit has the same network, txid and index',
  'postings made by hand',
] as const;

export function emptyReport(lost: string, lostFromMs: number): RebuildReport {
  return {
    lost,
    lost_from: new Date(lostFromMs).toISOString(),
    signers_away: [],
    restored: { customers: 0, deposit_addresses: 0, records: 0, withdrawals: 0, transactions: 0 },
    read_again: { blocks_taken_off: 0, blocks_applied: 0, deposits_credited: 0 },
    holds: 0,
    relayed: 0,
    notes: [],
    left: [],
    not_restorable: notRestorable,
  };
}
