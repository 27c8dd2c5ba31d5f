import { expect, test } from 'vitest';
import { networkOf } from '../policy/network-of.ts';
import { append, dayMs, decide, hourMs, intent, n, nowMs, policyWith, transaction } from './acceptance.test-support.ts';
import { decideAcceptance, type ReviewedTransaction } from './decide-acceptance.ts';
import { emptyState, type JournalState } from './journal-state.ts';

const wide = policyWith((bitcoin) => {
  const most = '9'.repeat(30);
  bitcoin.limits = { per_transaction_max: most, per_hour_max: most, per_day_max: most };
});
const limitExceeded = expect.objectContaining({ code: 'limit-exceeded' });

/** A peer, perhaps one that was taken over, tells of it: it counts here whatever the limits say. */
function learn(state: JournalState, reviewed: ReviewedTransaction, atMs = nowMs): void {
  const network = networkOf(wide, n);
  const context = { policy: wide, network, by: 'signer-2', request: '77'.repeat(32), nowMs: atMs, beyondRules: true };
  const entry = decideAcceptance(state, reviewed, context);
  if (entry) append(state, entry, atMs);
}

const long = { expiresAtMs: nowMs + 30 * dayMs };
const names = ['a1', 'a2', 'a3', 'a4', 'a5'];
const told = names.map((name) => transaction(name, [`${name}:0`], [intent(name, 1_000n, long)]));

test('what a peer told of beyond the limits is not signed, also not when its charge has left the window', () => {
  const state = emptyState();
  for (const one of told) learn(state, one);
  for (const one of told) expect(() => decide(state, one)).toThrow(limitExceeded);
  // Nothing would be charged for the same bytes: all of them at once would be five days' limit.
  for (const one of told) expect(() => decide(state, one, nowMs + dayMs + hourMs)).toThrow(limitExceeded);
});

test('a replacement of it is charged like any payment', () => {
  const state = emptyState();
  for (const one of told) learn(state, one);
  const later = nowMs + dayMs + hourMs;
  const replacements = names.map((name) => transaction(`b${name[1]}`, [`${name}:0`], [intent(name, 1_000n, long)]));
  const [first, second] = replacements as [ReviewedTransaction, ReviewedTransaction];
  const entry = decide(state, first, later);
  expect(entry?.body.beyond_rules).toBeUndefined();
  if (entry) append(state, entry, later);
  expect(() => decide(state, second, later)).toThrow(limitExceeded);
});

test('it may be signed while it fits the limits together with everything else that was charged', () => {
  const state = emptyState();
  const small = transaction('c1', ['c1:0'], [intent('c1', 400n, long)]);
  learn(state, small);
  expect(decide(state, small)).toBeNull();
});
