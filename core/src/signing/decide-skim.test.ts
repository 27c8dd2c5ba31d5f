import { expect, test } from 'vitest';
import { append, accept, btc, customer, dayMs, n, nowMs, policyWith, transaction } from './acceptance.test-support.ts';
import type { ReviewedTransaction } from './decide-acceptance.ts';
import { peerHalt } from './decide-halt.ts';
import { emptyState, type JournalState } from './journal-state.ts';
import { positionKey } from './position-key.ts';

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });
const policy = policyWith((bitcoin) => {
  bitcoin.fee_max_sats = '20';
  bitcoin.hot = { floor_bps: 50, target_bps: 100, ceiling_bps: 200, skim_min: '500', skims_per_day_max: 2 };
});
const skim = (txid: string, key: string, fee = 10n): ReviewedTransaction => ({
  ...transaction(txid, [key], [], fee),
  skim: [btc],
});
const take = (state: JournalState, one: ReviewedTransaction, atMs = nowMs) => accept(state, one, atMs, policy);

test('a skim is counted, and its fee is not taken from the payments’', () => {
  const state = emptyState();
  state.positions.set(positionKey(customer, 'BTC'), 7n);
  expect(take(state, skim('01', 'x'))).toEqual({ [`${btc} skims`]: '1', [`${n} skim-fee`]: '10' });
  expect(state.positions.get(positionKey(customer, 'BTC'))).toBe(7n);
  // The very same bytes again.
  expect(take(state, skim('01', 'x'))).toEqual({});
});

test('a server that skims on and on burns no more fees than the rule’s number of skims', () => {
  const state = emptyState();
  take(state, skim('01', 'x', 20n));
  take(state, skim('02', 'y', 20n));
  expect(() => take(state, skim('03', 'z'))).toThrow(refusal('limit-exceeded', /skims/));
  expect(take(state, skim('03', 'z'), nowMs + dayMs + 60_000)).toMatchObject({ [`${btc} skims`]: '1' });
});

test('without a rule nothing is skimmed', () => {
  expect(() => accept(emptyState(), skim('01', 'x'))).toThrow(refusal('limit-exceeded', /skims/));
});

test('a halt of the asset, of its network or of everything stops a skim', () => {
  for (const scope of [
    { network: null, asset: null },
    { network: n, asset: null },
    { network: n, asset: btc },
  ]) {
    const state = emptyState();
    const statement = { version: 1, kind: 'halt', scope, reason: 'theft', nonce: 'halt-0001' } as const;
    const entry = peerHalt(state, statement, 'signer-2');
    if (entry) append(state, entry);
    expect(() => take(state, skim('01', 'x'))).toThrow(refusal('halted', /theft/));
  }
});
