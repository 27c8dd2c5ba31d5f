import { expect, test } from 'vitest';
import { networkOf } from '../policy/network-of.ts';
import {
  accept,
  append,
  charged,
  chargesOf,
  dayMs,
  decide,
  hourMs,
  intent,
  minuteMs,
  n,
  nowMs,
  plain,
  transaction,
} from './acceptance.test-support.ts';
import { decideAcceptance } from './decide-acceptance.ts';
import { decideDegraded } from './decide-degraded.ts';
import { emptyState, type JournalState } from './journal-state.ts';

/** Restored now, after one payment. */
function restored(): JournalState {
  const state = emptyState();
  accept(state, transaction('01', ['x'], [intent('aa')]));
  append(state, { kind: 'restored', body: { backup_seq: 1, backup_hash: 'ab'.repeat(32), made_at_ms: 0 } });
  return state;
}
const later = (name: string, ms: number) =>
  transaction(name, ['y'], [intent('bb', 1n, { expiresAtMs: nowMs + ms + 1 })]);
const used = expect.objectContaining({ code: 'limit-exceeded', message: expect.stringMatching(/restored/) });

test.each([0, hourMs + minuteMs, dayMs])('%i ms after a restoration the limits of a day count as used up', (ms) => {
  expect(() => decide(restored(), later('02', ms), nowMs + ms)).toThrow(used);
});

test('a day and a minute after it they count no more', () => {
  const ms = dayMs + minuteMs;
  expect(chargesOf(decide(restored(), later('02', ms), nowMs + ms))).toEqual(charged(1n));
});

test('a fee alone draws on a limit that is used up; a replacement that draws on none is signed', () => {
  const state = restored();
  expect(() => decide(state, transaction('02', ['y'], [], 1n))).toThrow(used);
  expect(chargesOf(decide(state, transaction('02', ['x'], [intent('aa')])))).toEqual({});
});

test('the way to sealed cold storage stays open', () => {
  const evacuation = { ...transaction('02', ['y'], [], 70n), evacuation: true };
  expect(chargesOf(decide(restored(), evacuation))).toEqual({ [`${n} evacuation-fee`]: '70' });
});

test('what peers have signed is counted all the same', () => {
  const network = networkOf(plain, n);
  const context = { policy: plain, network, by: 'signer-2', request: '77'.repeat(32), nowMs, beyondRules: true };
  expect(chargesOf(decideAcceptance(restored(), later('02', 0), context))).toEqual(charged(1n));
});

test('without a peer nothing leaves for a day, also of what was accepted before', () => {
  const state = restored();
  const before = transaction('01', ['x'], [intent('aa')]);
  const context = (ms: number) => ({ network: networkOf(plain, n), nowMs: nowMs + ms, signers: 2, quorum: 2 });
  expect(() => decideDegraded(state, before, context(0))).toThrow(
    expect.objectContaining({ code: 'degraded-limit', message: expect.stringMatching(/restored/) }),
  );
  expect(decideDegraded(state, before, context(dayMs + minuteMs))).not.toBeNull();
});
