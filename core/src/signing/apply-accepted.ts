import { invariant } from '../invariant.ts';
import type { EntryOf } from './journal-record.ts';
import type { JournalState } from './journal-state.ts';
import { positionKey } from './position-key.ts';
import { addCharge, chargeIsDue, evacuationFeeBudget, feeBudget, skimFeeBudget } from './rolling-charges.ts';

/** Remembers an accepted transaction, what it was charged and what it takes from positions; changes `state` in place. */
export function applyAccepted(state: JournalState, body: EntryOf<'accepted'>['body'], seq: number, atMs: number): void {
  const { network, height, txid } = body;
  const key = `${network} ${txid}`;
  invariant(!state.transactions.has(key), `transaction ${txid} is accepted twice`);
  const conflictKeys = new Set(body.conflict_keys);
  const beyondRules = body.beyond_rules === true;
  const digests = new Set(body.digests);
  const transaction = { network, height, txid, conflictKeys, digests, fee: chargedFee(body), beyondRules };
  state.transactions.set(key, transaction);
  state.accepted.push({ seq, network, txid, request: body.request });
  for (const conflictKey of conflictKeys) addTo(state.transactionsAt, `${network} ${conflictKey}`, transaction);
  for (const digest of body.digests) {
    if (!beyondRules) state.beyondRules.delete(digest);
    else if (!state.transactionsOf.has(digest)) state.beyondRules.add(digest);
    addTo(state.transactionsOf, digest, transaction);
    // What the decision charged, by the same rule at the same time.
    if (chargeIsDue(state.chargedAtMs.get(digest), atMs, 'day')) state.chargedAtMs.set(digest, atMs);
    if (chargeIsDue(state.hourChargedAtMs.get(digest), atMs, 'hour')) state.hourChargedAtMs.set(digest, atMs);
  }
  for (const { asset, amount } of body.charges) addCharge(state, asset, BigInt(amount), atMs);
  for (const { customer, asset, amount } of body.positions) {
    const position = positionKey(customer, asset);
    state.positions.set(position, (state.positions.get(position) ?? 0n) - BigInt(amount));
  }
}

/** Remembers what was charged to the degraded budgets; changes `state` in place. */
export function applyDegraded(state: JournalState, body: EntryOf<'degraded'>['body'], atMs: number): void {
  const key = `${body.network} ${body.txid}`;
  state.degraded.add(key);
  for (const digest of state.transactions.get(key)?.digests ?? []) {
    if (chargeIsDue(state.degradedAtMs.get(digest), atMs)) state.degradedAtMs.set(digest, atMs);
  }
  for (const { asset, amount } of body.charges) addCharge(state, asset, BigInt(amount), atMs);
}

function chargedFee({ network, charges }: EntryOf<'accepted'>['body']): bigint {
  const budgets = [feeBudget(network), evacuationFeeBudget(network), skimFeeBudget(network)];
  return charges.reduce((sum, { asset, amount }) => (budgets.includes(asset) ? sum + BigInt(amount) : sum), 0n);
}

function addTo<T>(lists: Map<string, T[]>, name: string, value: T): void {
  const list = lists.get(name);
  if (list) list.push(value);
  else lists.set(name, [value]);
}
