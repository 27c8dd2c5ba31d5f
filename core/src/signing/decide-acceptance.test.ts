import { describe, expect, test } from 'vitest';
import { baseUnits } from '../money/base-units.ts';
import type { CheckedIntent } from './check-intents.ts';
import { decideAcceptance, type ReviewedTransaction } from './decide-acceptance.ts';
import { emptyHead, encodeRecord } from './journal-record.ts';
import { applyRecord, emptyState, type JournalState } from './journal-state.ts';

const nowMs = 1_800_000_000_000;
const limits = new Map([['btc', 1_000n]]);

function intent(name: string, amount = 100n, expiresAtMs = nowMs + 1): CheckedIntent {
  return { digest: name.repeat(32), asset: 'btc', amount: baseUnits(amount), destination: 'd', expiresAtMs };
}

function transaction(txid: string, conflictKeys: string[], intents: CheckedIntent[]): ReviewedTransaction {
  return { network: 'n', txid: txid.repeat(32), height: 1, conflictKeys, intents };
}

function accept(state: JournalState, reviewed: ReviewedTransaction, atMs = nowMs): number {
  const entry = decideAcceptance(state, reviewed, limits, atMs);
  if (entry) applyRecord(state, encodeRecord(emptyHead, entry, atMs).record);
  return entry?.body.charges.length ?? 0;
}

function refusal(code: string, message: RegExp = /./): unknown {
  return expect.objectContaining({ code, message: expect.stringMatching(message) });
}

describe('at most one payment', () => {
  test('refuses a second transaction that does not conflict, naming the first', () => {
    const state = emptyState();
    accept(state, transaction('01', ['x'], [intent('aa')]));
    expect(() => accept(state, transaction('02', ['y'], [intent('aa')]))).toThrow(refusal('already-paid-by', /0101/));
  });

  test('accepts a replacement that conflicts and charges it once', () => {
    const state = emptyState();
    expect(accept(state, transaction('01', ['x'], [intent('aa')]))).toBe(1);
    expect(accept(state, transaction('02', ['x', 'y'], [intent('aa')]))).toBe(0);
  });

  test('refuses a third transaction that conflicts with the second only', () => {
    const state = emptyState();
    accept(state, transaction('01', ['x', 'z'], [intent('aa')]));
    accept(state, transaction('02', ['x', 'y'], [intent('aa')]));
    expect(() => accept(state, transaction('03', ['y'], [intent('aa')]))).toThrow(refusal('already-paid-by', /0101/));
    expect(accept(state, transaction('04', ['x'], [intent('aa')]))).toBe(0);
  });

  test('accepts one that does not conflict once the earlier one is buried, and not before', () => {
    const state = emptyState();
    accept(state, transaction('01', ['x'], [intent('aa')]));
    accept(state, transaction('02', ['y'], [intent('bb')]));
    const again = transaction('03', ['y'], [intent('aa')]);
    expect(() => accept(state, again)).toThrow(refusal('already-paid-by', /0101/));
    const buried = { kind: 'buried', body: { network: 'n', txid: '01'.repeat(32) } } as const;
    applyRecord(state, encodeRecord(emptyHead, buried, nowMs).record);
    expect(accept(state, again)).toBe(0);
    expect(() => accept(state, transaction('04', ['z'], [intent('aa')]))).toThrow(refusal('already-paid-by', /0303/));
  });

  test('takes the same bytes again without a charge, also after expiry', () => {
    const state = emptyState();
    const reviewed = transaction('01', ['x'], [intent('aa')]);
    accept(state, reviewed);
    expect(decideAcceptance(state, reviewed, limits, nowMs + 1_000)).toBeNull();
  });

  test('refuses the same bytes for other intents', () => {
    const state = emptyState();
    accept(state, transaction('01', ['x'], [intent('aa')]));
    expect(() => accept(state, transaction('01', ['x'], [intent('bb')]))).toThrow(refusal('payment-mismatch'));
    expect(() => accept(state, transaction('01', ['x'], [intent('aa'), intent('bb')]))).toThrow(
      refusal('payment-mismatch'),
    );
  });
});

test.each([nowMs, nowMs - 1, Number.NaN])('refuses an intent that expires at %d', (expiresAtMs) => {
  const reviewed = transaction('01', ['x'], [intent('aa', 100n, expiresAtMs)]);
  expect(() => accept(emptyState(), reviewed)).toThrow(refusal('intent-expired'));
});

describe('rolling limit', () => {
  test('admits exactly the limit and refuses one unit more', () => {
    const state = emptyState();
    accept(state, transaction('01', ['x'], [intent('aa', 600n), intent('bb', 400n)]));
    expect(() => accept(state, transaction('02', ['y'], [intent('cc', 1n)]))).toThrow(refusal('limit-exceeded'));
  });

  test('opens again when the window has passed', () => {
    const state = emptyState();
    accept(state, transaction('01', ['x'], [intent('aa', 1_000n)]));
    const later = nowMs + 86_400_000 + 60_000;
    expect(accept(state, transaction('02', ['y'], [intent('cc', 1_000n, later + 1)]), later)).toBe(1);
  });

  test('refuses an asset without a limit', () => {
    const reviewed = transaction('01', ['x'], [{ ...intent('aa'), asset: 'other' }]);
    expect(() => accept(emptyState(), reviewed)).toThrow(refusal('limit-exceeded'));
  });
});
