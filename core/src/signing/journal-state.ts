import { invariant } from '../invariant.ts';
import type { EntryOf, JournalRecord } from './journal-record.ts';

/** What a signer remembers; rebuilt at every start by replaying the journal. Only `applyRecord` changes it. */
export interface JournalState {
  /** By `<network> <txid>`. */
  readonly transactions: Map<string, SignedTransaction>;
  /** Every transaction ever accepted for an intent, by digest. */
  readonly transactionsOf: Map<string, SignedTransaction[]>;
  /** Every transaction ever accepted, by `<network> <conflict key>`. */
  readonly transactionsAt: Map<string, SignedTransaction[]>;
  /** `<network> <txid>` of accepted transactions that can never confirm. */
  readonly buried: Set<string>;
  /** By budget (an asset's CAIP-19, or `feeBudget`): what was charged in each minute (of the epoch) of the last 24 hours, base units. */
  readonly charges: Map<string, Map<number, bigint>>;
  /** When a digest was charged the last time, UTC milliseconds. */
  readonly chargedAtMs: Map<string, number>;
  /** By `<network> <index>`. */
  readonly addresses: Map<string, AddressBinding>;
  /** By network: the highest index handed out. */
  readonly indexMax: Map<string, number>;
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
    transactionsAt: new Map(),
    buried: new Set(),
    charges: new Map(),
    chargedAtMs: new Map(),
    addresses: new Map(),
    indexMax: new Map(),
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
    state.indexMax.set(network, Math.max(index, state.indexMax.get(network) ?? 0));
    state.ownAddresses.add(`${network} ${address}`);
  }
}

/** Name of the budget that the fees of a network draw on. */
export function feeBudget(network: string): string {
  return `${network} fee`;
}

/** What `budget` was charged in the 24 hours before `nowMs`, base units. */
export function chargedInWindow(state: JournalState, budget: string, nowMs: number): bigint {
  const oldest = oldestMinute(nowMs);
  let sum = 0n;
  for (const [minute, amount] of state.charges.get(budget) ?? []) if (minute >= oldest) sum += amount;
  return sum;
}

/**
 * Whether an acceptance now has to charge the digest: its last charge, if any, has left the window. Without that, intents
 * signed today at one nonce would be free on the day they are paid.
 */
export function chargeIsDue(state: JournalState, digest: string, nowMs: number): boolean {
  const chargedAtMs = state.chargedAtMs.get(digest);
  return chargedAtMs === undefined || Math.floor(chargedAtMs / minuteMs) < oldestMinute(nowMs);
}

/**
 * Accepted transactions of these intents that a new one, on this network with these conflict keys, would not exclude and
 * that are not known to be dead: each of them forbids the new one, unless the chain proves that it can never confirm.
 */
export function obstacles(
  state: JournalState,
  digests: readonly string[],
  { network, conflictKeys }: { readonly network: string; readonly conflictKeys: readonly string[] },
): SignedTransaction[] {
  const earlier = new Set(digests.flatMap((digest) => state.transactionsOf.get(digest) ?? []));
  return [...earlier].filter((one) => {
    const excluded = one.network === network && conflictKeys.some((key) => one.conflictKeys.has(key));
    return !excluded && !state.buried.has(`${one.network} ${one.txid}`);
  });
}

/** Other accepted transactions of which the chain confirms at most one together with this one. */
export function rivalsOf(state: JournalState, { network, txid, conflictKeys }: SignedTransaction): SignedTransaction[] {
  const sharing = [...conflictKeys].flatMap((key) => state.transactionsAt.get(`${network} ${key}`) ?? []);
  return [...new Set(sharing)].filter((other) => other.txid !== txid);
}

function applyAccepted(state: JournalState, body: EntryOf<'accepted'>['body'], atMs: number): void {
  const { network, height, txid } = body;
  const key = `${network} ${txid}`;
  invariant(!state.transactions.has(key), `transaction ${txid} is accepted twice`);
  const conflictKeys = new Set(body.conflict_keys);
  const transaction = { network, height, txid, conflictKeys, digests: new Set(body.digests) };
  state.transactions.set(key, transaction);
  for (const conflictKey of conflictKeys) addTo(state.transactionsAt, `${network} ${conflictKey}`, transaction);
  for (const digest of body.digests) {
    addTo(state.transactionsOf, digest, transaction);
    // What the decision charged, by the same rule at the same time.
    if (chargeIsDue(state, digest, atMs)) state.chargedAtMs.set(digest, atMs);
  }
  const minute = Math.floor(atMs / minuteMs);
  for (const { asset, amount } of body.charges) {
    const minutes = state.charges.get(asset) ?? new Map<number, bigint>();
    minutes.set(minute, (minutes.get(minute) ?? 0n) + BigInt(amount));
    for (const old of minutes.keys()) if (old < minute - windowMinutes) minutes.delete(old);
    state.charges.set(asset, minutes);
  }
}

function oldestMinute(nowMs: number): number {
  return Math.floor(nowMs / minuteMs) - windowMinutes;
}

function addTo<T>(lists: Map<string, T[]>, name: string, value: T): void {
  const list = lists.get(name);
  if (list) list.push(value);
  else lists.set(name, [value]);
}
