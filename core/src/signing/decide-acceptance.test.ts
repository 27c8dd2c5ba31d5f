import { describe, expect, test } from 'vitest';
import { baseUnits } from '../money/base-units.ts';
import type { CheckedIntent } from './check-intents.ts';
import {
  acceptancesMax,
  decideAcceptance,
  type AcceptanceLimits,
  type ReviewedTransaction,
} from './decide-acceptance.ts';
import { emptyHead, encodeRecord } from './journal-record.ts';
import { applyRecord, emptyState, feeBudget, type JournalState } from './journal-state.ts';

const nowMs = 1_800_000_000_000;
const dayMs = 86_400_000;
const limits: AcceptanceLimits = {
  perDayMax: new Map([
    ['btc', 1_000n],
    [feeBudget('n'), 50n],
  ]),
  expiryAheadMsMax: 31 * dayMs,
};

function intent(name: string, amount = 100n, expiresAtMs = nowMs + 1): CheckedIntent {
  return { digest: name.repeat(32), asset: 'btc', amount: baseUnits(amount), destination: 'd', expiresAtMs };
}

function transaction(txid: string, conflictKeys: string[], intents: CheckedIntent[]): ReviewedTransaction {
  return { network: 'n', txid: txid.repeat(32), height: 1, conflictKeys, intents, fee: 0n };
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

  test('a transaction of another network excludes nothing, whatever its conflict keys are', () => {
    const state = emptyState();
    accept(state, { ...transaction('01', ['x'], [intent('aa')]), network: 'other' });
    expect(() => accept(state, transaction('02', ['x'], [intent('aa')]))).toThrow(refusal('already-paid-by', /0101/));
  });

  test('accepts 64 transactions for an intent and no more', () => {
    const state = emptyState();
    const nth = (at: number) => transaction((at + 16).toString(16), ['x'], [intent('aa')]);
    for (let at = 0; at < acceptancesMax; at += 1) accept(state, nth(at));
    expect(() => accept(state, nth(acceptancesMax))).toThrow(refusal('limit-exceeded'));
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

test('refuses an intent that expires more than 31 days ahead', () => {
  const until = (expiresAtMs: number) => transaction('01', ['x'], [intent('aa', 100n, expiresAtMs)]);
  expect(accept(emptyState(), until(nowMs + 31 * dayMs))).toBe(1);
  expect(() => accept(emptyState(), until(nowMs + 31 * dayMs + 1))).toThrow(refusal('limit-exceeded', /ahead/));
});

describe('rolling limit', () => {
  test('charges a replacement again when the last charge has left the window, so limits cannot be saved up', () => {
    const state = emptyState();
    const lasting = (name: string, amount: bigint) => intent(name, amount, nowMs + 20 * dayMs);
    accept(state, transaction('01', ['x'], [lasting('aa', 1_000n)]));
    const later = nowMs + dayMs + 60_000;
    accept(state, transaction('02', ['x'], [lasting('bb', 1_000n)]), later);
    const both = transaction('03', ['x'], [lasting('aa', 1_000n), lasting('bb', 1_000n)]);
    expect(() => accept(state, both, later)).toThrow(refusal('limit-exceeded'));
    expect(accept(state, transaction('04', ['x'], [lasting('aa', 1_000n)]), later + dayMs + 60_000)).toBe(1);
    expect(accept(state, transaction('05', ['x'], [lasting('aa', 1_000n)]), later + dayMs + 60_000)).toBe(0);
  });

  test('counts the fee of every transaction, replacements too, against a budget of its own', () => {
    const state = emptyState();
    const paying = (txid: string, fee: bigint) => ({ ...transaction(txid, ['x'], [intent('aa')]), fee });
    expect(accept(state, paying('01', 30n))).toBe(2);
    expect(() => accept(state, paying('02', 21n))).toThrow(refusal('limit-exceeded', /n fee/));
    expect(accept(state, paying('02', 20n))).toBe(1);
    expect(() => accept(state, paying('03', 1n))).toThrow(refusal('limit-exceeded', /n fee/));
  });

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
