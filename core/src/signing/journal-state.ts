import { invariant } from '../invariant.ts';
import type { EntryOf, JournalRecord } from './journal-record.ts';

/** What a signer remembers; rebuilt at every start by replaying the journal. Only `applyRecord` changes it. */
export interface JournalState {
  /** By `<network> <txid>`. */
  readonly transactions: Map<string, SignedTransaction>;
  /** Every transaction ever accepted for an intent, by digest. */
  readonly transactionsOf: Map<string, SignedTransaction[]>;
  /** `<network> <txid>` of accepted transactions that can never confirm. */
  readonly buried: Set<string>;
  /** By asset (CAIP-19): what was charged in each minute (of the epoch) of the last 24 hours, base units. */
  readonly charges: Map<string, Map<number, bigint>>;
  /** By `<network> <index>`. */
  readonly addresses: Map<string, AddressBinding>;
  /** `<network> <address>` of every address handed out. */
  readonly ownAddresses: Set<string>;
  /** By network. */
  readonly keys: Map<string, EntryOf<'key'>['body']>;
}

export interface SignedTransaction {
  readonly network: string;
  /** It is in no block up to this one. */
  readonly height: number;
  readonly txid: string;
  readonly conflictKeys: ReadonlySet<string>;
  readonly digests: ReadonlySet<string>;
}

export interface AddressBinding {
  readonly customer: string;
  readonly address: string;
}

const minuteMs = 60_000;
/** Length of the rolling limits. A minute leaves the window as a whole, so a charge counts for up to a minute longer. */
const windowMinutes = 24 * 60;

export function emptyState(): JournalState {
  return {
    transactions: new Map(),
    transactionsOf: new Map(),
    buried: new Set(),
    charges: new Map(),
    addresses: new Map(),
    ownAddresses: new Set(),
    keys: new Map(),
  };
}

/** Adds one record to the state, in place: a journal of millions of records is replayed through this. */
export function applyRecord(state: JournalState, record: JournalRecord): void {
  if (record.kind === 'accepted') applyAccepted(state, record.body, record.at_ms);
  if (record.kind === 'buried') state.buried.add(`${record.body.network} ${record.body.txid}`);
  if (record.kind === 'key') state.keys.set(record.body.network, record.body);
  if (record.kind === 'address') {
    const { network, index, customer, address } = record.body;
    state.addresses.set(`${network} ${index}`, { customer, address });
    state.ownAddresses.add(`${network} ${address}`);
  }
}

/** What `asset` was charged in the 24 hours before `nowMs`, base units. */
export function chargedInWindow(state: JournalState, asset: string, nowMs: number): bigint {
  const oldest = Math.floor(nowMs / minuteMs) - windowMinutes;
  let sum = 0n;
  for (const [minute, amount] of state.charges.get(asset) ?? []) if (minute >= oldest) sum += amount;
  return sum;
}

/**
 * Accepted transactions of these intents that a new one, with these conflict keys, would not exclude and that are not
 * known to be dead: each of them forbids the new one, unless the chain proves that it can never confirm.
 */
export function obstacles(
  state: JournalState,
  digests: readonly string[],
  conflictKeys: readonly string[],
): SignedTransaction[] {
  const earlier = new Set(digests.flatMap((digest) => state.transactionsOf.get(digest) ?? []));
  return [...earlier].filter(
    (one) =>
      !conflictKeys.some((key) => one.conflictKeys.has(key)) && !state.buried.has(`${one.network} ${one.txid}`),
  );
}

function applyAccepted(state: JournalState, body: EntryOf<'accepted'>['body'], atMs: number): void {
  const key = `${body.network} ${body.txid}`;
  invariant(!state.transactions.has(key), `transaction ${body.txid} is accepted twice`);
  const transaction = { network: body.network, height: body.height, txid: body.txid, conflictKeys: new Set(body.conflict_keys), digests: new Set(body.digests) };
  state.transactions.set(key, transaction);
  for (const digest of body.digests) {
    state.transactionsOf.set(digest, [...(state.transactionsOf.get(digest) ?? []), transaction]);
  }
  const minute = Math.floor(atMs / minuteMs);
  for (const { asset, amount } of body.charges) {
    const minutes = state.charges.get(asset) ?? new Map<number, bigint>();
    minutes.set(minute, (minutes.get(minute) ?? 0n) + BigInt(amount));
    for (const old of minutes.keys()) if (old < minute - windowMinutes) minutes.delete(old);
    state.charges.set(asset, minutes);
  }
}
