import { describe, expect, test } from 'vitest';
import {
  nowMs,
  hourMs,
  dayMs,
  minuteMs,
  n,
  btc,
  eth,
  customer,
  policyWith,
  intent,
  transaction,
  decide,
  append,
  accept,
  charged,
} from './acceptance.test-support.ts';
import type { CheckedIntent } from './check-intents.ts';
import { acceptancesMax } from './decide-acceptance.ts';
import { peerHalt } from './decide-halt.ts';
import { emptyState, type JournalState } from './journal-state.ts';
import { positionKey } from './position-key.ts';

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
    expect(accept(state, transaction('01', ['x'], [intent('aa')]))).toEqual(charged(100n));
    expect(accept(state, transaction('02', ['x', 'y'], [intent('aa')]))).toEqual({});
  });

  test('refuses a third transaction that conflicts with the second only', () => {
    const state = emptyState();
    accept(state, transaction('01', ['x', 'z'], [intent('aa')]));
    accept(state, transaction('02', ['x', 'y'], [intent('aa')]));
    expect(() => accept(state, transaction('03', ['y'], [intent('aa')]))).toThrow(refusal('already-paid-by', /0101/));
    expect(accept(state, transaction('04', ['x'], [intent('aa')]))).toEqual({});
  });

  test('accepts one that does not conflict once the earlier one is buried, and not before', () => {
    const state = emptyState();
    accept(state, transaction('01', ['x'], [intent('aa')]));
    accept(state, transaction('02', ['y'], [intent('bb')]));
    const again = transaction('03', ['y'], [intent('aa')]);
    expect(() => accept(state, again)).toThrow(refusal('already-paid-by', /0101/));
    append(state, { kind: 'buried', body: { network: n, txid: '01'.repeat(32) } });
    expect(accept(state, again)).toEqual({});
    expect(() => accept(state, transaction('04', ['z'], [intent('aa')]))).toThrow(refusal('already-paid-by', /0303/));
  });

  test('a transaction of another network excludes nothing, whatever its conflict keys are', () => {
    const state = emptyState();
    accept(state, { ...transaction('01', ['x'], [intent('aa', 1n, { asset: eth })]), network: 'eip155:31337' });
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
    expect(decide(state, reviewed, nowMs + 1_000)).toBeNull();
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
  const reviewed = transaction('01', ['x'], [intent('aa', 100n, { expiresAtMs })]);
  expect(() => accept(emptyState(), reviewed)).toThrow(refusal('intent-expired'));
});

test('refuses an intent that expires further ahead than the policy allows', () => {
  const until = (expiresAtMs: number) => transaction('01', ['x'], [intent('aa', 100n, { expiresAtMs })]);
  expect(accept(emptyState(), until(nowMs + 31 * dayMs))).toEqual(charged(100n));
  expect(() => accept(emptyState(), until(nowMs + 31 * dayMs + 1))).toThrow(refusal('limit-exceeded', /ahead/));
});

test('journals who asked, for which request, by which policy', () => {
  const entry = decide(emptyState(), transaction('01', ['x'], [intent('aa')]));
  expect(entry?.body).toMatchObject({ by: 'signer-1', request: '77'.repeat(32), policy: 1, height: 1 });
});

describe('rolling limits', () => {
  const lasting = (name: string, amount: bigint, change: Partial<CheckedIntent> = {}) =>
    intent(name, amount, { expiresAtMs: nowMs + 20 * dayMs, ...change });

  test('charge a replacement again when the last charge has left the window, so limits cannot be saved up', () => {
    const state = emptyState();
    accept(state, transaction('01', ['x'], [lasting('aa', 1_000n)]));
    const later = nowMs + dayMs + minuteMs;
    accept(state, transaction('02', ['x'], [lasting('bb', 1_000n)]), later);
    const both = transaction('03', ['x'], [lasting('aa', 1_000n), lasting('bb', 1_000n)]);
    expect(() => accept(state, both, later)).toThrow(refusal('limit-exceeded'));
    const latest = later + dayMs + minuteMs;
    expect(accept(state, transaction('04', ['x'], [lasting('aa', 1_000n)]), latest)).toEqual(charged(1_000n));
    expect(accept(state, transaction('05', ['x'], [lasting('aa', 1_000n)]), latest)).toEqual({});
  });

  test('of an hour charge a replacement after an hour, those of a day do not', () => {
    const hourly = policyWith(({ limits }) => void (limits.per_hour_max = '100'));
    const state = emptyState();
    accept(state, transaction('01', ['x'], [lasting('aa', 100n)]), nowMs, hourly);
    const later = nowMs + hourMs + minuteMs;
    accept(state, transaction('02', ['x'], [lasting('bb', 60n)]), later, hourly);
    const both = transaction('03', ['x'], [lasting('aa', 100n), lasting('bb', 60n)]);
    expect(() => accept(state, both, later, hourly)).toThrow(refusal('limit-exceeded', /an hour/));
    const latest = later + hourMs + minuteMs;
    expect(accept(state, transaction('04', ['x'], [lasting('aa', 100n)]), latest, hourly)).toEqual({
      [`${btc} hour`]: '100',
    });
  });

  test('of an hour open again before those of a day', () => {
    const hourly = policyWith(({ limits }) => void (limits.per_hour_max = '600'));
    const state = emptyState();
    accept(state, transaction('01', ['x'], [lasting('aa', 600n)]), nowMs, hourly);
    const next = transaction('02', ['y'], [lasting('bb', 400n)]);
    expect(() => accept(state, next, nowMs + hourMs, hourly)).toThrow(refusal('limit-exceeded', /an hour/));
    expect(accept(state, next, nowMs + hourMs + minuteMs, hourly)).toEqual(charged(400n));
    const last = transaction('03', ['z'], [lasting('cc', 1n)]);
    expect(() => accept(state, last, nowMs + 3 * hourMs, hourly)).toThrow(refusal('limit-exceeded', /24 hours/));
  });

  test('of the tighter class bind integrators’ intents, which count towards all', () => {
    const state = emptyState();
    const tight = (name: string, amount: bigint) => lasting(name, amount, { class: 'integrator' });
    expect(accept(state, transaction('01', ['x'], [tight('aa', 200n), lasting('bb', 100n)]))).toEqual({
      ...charged(300n),
      [`${btc} integrator`]: '200',
      [`${btc} integrator hour`]: '200',
    });
    const next = transaction('02', ['y'], [tight('cc', 1n)]);
    expect(() => accept(state, next)).toThrow(refusal('limit-exceeded', /integrator hour/));
    const later = nowMs + hourMs + minuteMs;
    expect(() => accept(state, transaction('02', ['y'], [tight('cc', 101n)]), later)).toThrow(
      refusal('limit-exceeded', /integrator on top of 200 in 24 hours/),
    );
    expect(() => accept(state, transaction('02', ['y'], [lasting('cc', 701n)]), later)).toThrow(
      refusal('limit-exceeded'),
    );
    expect(accept(state, transaction('02', ['y'], [lasting('cc', 700n)]), later)).toEqual(charged(700n));
  });

  test('count the fee of every transaction, replacements too, against a budget of its own', () => {
    const state = emptyState();
    const paying = (txid: string, fee: bigint) => transaction(txid, ['x'], [intent('aa')], fee);
    expect(accept(state, paying('01', 30n))).toEqual({ ...charged(100n), [`${n} fee`]: '30' });
    expect(() => accept(state, paying('02', 21n))).toThrow(refusal('limit-exceeded', / fee/));
    expect(accept(state, paying('02', 20n))).toEqual({ [`${n} fee`]: '20' });
    expect(() => accept(state, paying('03', 1n))).toThrow(refusal('limit-exceeded', / fee/));
  });

  test('allow no fee where a relayer pays', () => {
    const reviewed = { ...transaction('01', ['x'], []), network: 'eip155:31337', fee: 1n };
    expect(() => accept(emptyState(), reviewed)).toThrow(refusal('limit-exceeded', /fee/));
    expect(() => accept(emptyState(), { ...reviewed, evacuation: true })).toThrow(refusal('limit-exceeded', /fee/));
  });

  test('admit exactly the limit and refuse one unit more', () => {
    const state = emptyState();
    accept(state, transaction('01', ['x'], [intent('aa', 600n), intent('bb', 400n)]));
    expect(() => accept(state, transaction('02', ['y'], [intent('cc', 1n)]))).toThrow(refusal('limit-exceeded'));
  });

  test('open again when the window has passed', () => {
    const state = emptyState();
    accept(state, transaction('01', ['x'], [intent('aa', 1_000n)]));
    const later = nowMs + dayMs + minuteMs;
    const next = transaction('02', ['y'], [intent('cc', 1_000n, { expiresAtMs: later + 1 })]);
    expect(accept(state, next, later)).toEqual(charged(1_000n));
  });

  test('refuse an asset that the policy does not have', () => {
    const reviewed = transaction('01', ['x'], [intent('aa', 1n, { asset: eth })]);
    expect(() => accept(emptyState(), reviewed)).toThrow(refusal('limit-exceeded'));
  });
});

describe('approvals', () => {
  const tiers = policyWith((network) => {
    network.approval_tiers = [
      { above: '99', approvals: 1, offline: 0 },
      { above: '500', approvals: 3, offline: 1 },
    ];
  });
  const paying = (amount: bigint, total: number, offline: number) =>
    transaction('01', ['x'], [intent('aa', amount, { approvals: { total, offline } })]);

  test.each<[bigint, number, number]>([
    [99n, 0, 0],
    [100n, 1, 0],
    [500n, 1, 0],
    [501n, 3, 1],
  ])('%d needs %d, %d of them offline, and no fewer', (amount, total, offline) => {
    expect(accept(emptyState(), paying(amount, total, offline), nowMs, tiers)).toEqual(charged(amount));
    if (total > 0) {
      const fewer = paying(amount, total - 1, Math.min(offline, total - 1));
      expect(() => accept(emptyState(), fewer, nowMs, tiers)).toThrow(refusal('approval-missing'));
    }
    if (offline > 0) {
      const online = paying(amount, total + 5, offline - 1);
      expect(() => accept(emptyState(), online, nowMs, tiers)).toThrow(refusal('approval-missing'));
    }
  });

  test('are asked for again with the very same bytes', () => {
    const state = emptyState();
    accept(state, paying(501n, 3, 1), nowMs, tiers);
    expect(() => accept(state, paying(501n, 0, 0), nowMs, tiers)).toThrow(refusal('approval-missing'));
  });
});

describe('positions', () => {
  const asking = policyWith((_network, policy) => void (policy.positions.approvals = 2));
  const holding = (amount: bigint): JournalState => {
    const state = emptyState();
    state.positions.set(positionKey(customer, 'BTC'), amount);
    return state;
  };
  const position = (state: JournalState) => state.positions.get(positionKey(customer, 'BTC'));

  test('cover payments to the last unit, those of one batch together', () => {
    const state = holding(150n);
    const over = transaction('01', ['x'], [intent('aa', 100n), intent('bb', 51n)]);
    expect(() => accept(state, over, nowMs, asking)).toThrow(refusal('position-exceeded', /have 50/));
    expect(position(state)).toBe(150n);
    accept(state, transaction('01', ['x'], [intent('aa', 100n), intent('bb', 50n)]), nowMs, asking);
    expect(position(state)).toBe(0n);
    expect(() => accept(state, transaction('02', ['y'], [intent('cc', 1n)]), nowMs, asking)).toThrow(
      refusal('position-exceeded'),
    );
  });

  test('cover the fee beside the amount', () => {
    const state = holding(102n);
    const withFee = (fee: bigint) => transaction('01', ['x'], [intent('aa', 100n, { fee })]);
    expect(() => accept(state, withFee(3n), nowMs, asking)).toThrow(refusal('position-exceeded', /takes 103/));
    accept(state, withFee(2n), nowMs, asking);
    expect(position(state)).toBe(0n);
  });

  test('are taken from once, not by replacements, nor again when the first payment is dead', () => {
    const state = holding(100n);
    accept(state, transaction('01', ['x'], [intent('aa')]), nowMs, asking);
    const replacement = decide(state, transaction('02', ['x'], [intent('aa')]), nowMs, asking);
    expect(replacement?.body.positions).toEqual([]);
    append(state, { kind: 'buried', body: { network: n, txid: '01'.repeat(32) } });
    accept(state, transaction('03', ['z'], [intent('aa')]), nowMs, asking);
    expect(position(state)).toBe(0n);
  });

  test('may be exceeded with approvals, and then are negative', () => {
    const state = holding(10n);
    const approved = (total: number) =>
      transaction('01', ['x'], [intent('aa', 100n, { approvals: { total, offline: 0 } })]);
    expect(() => accept(state, approved(1), nowMs, asking)).toThrow(refusal('position-exceeded'));
    accept(state, approved(2), nowMs, asking);
    expect(position(state)).toBe(-90n);
  });

  test('are not asked for, but kept, when the policy says so', () => {
    const state = holding(0n);
    accept(state, transaction('01', ['x'], [intent('aa')]));
    expect(position(state)).toBe(-100n);
  });

  test('of another customer or asset cover nothing', () => {
    const state = emptyState();
    state.positions.set(positionKey('cus_other', 'BTC'), 1_000n).set(positionKey(customer, 'ETH'), 1_000n);
    expect(() => accept(state, transaction('01', ['x'], [intent('aa')]), nowMs, asking)).toThrow(
      refusal('position-exceeded', /have 0/),
    );
  });
});

test('calls that pay nobody fill no disk; payments and evacuations in their place are taken all the same', () => {
  const state = emptyState();
  const name = (at: number) => (0x10 + at).toString(16);
  for (let at = 0; at < 64; at += 1) accept(state, transaction(name(at), ['nonce 7'], []));
  expect(() => accept(state, transaction('99', ['nonce 7'], []))).toThrow(refusal('limit-exceeded'));
  expect(decide(state, transaction('10', ['nonce 7'], []))).toBeNull();
  expect(decide(state, transaction('99', ['nonce 8'], []))).not.toBeNull();
  expect(decide(state, transaction('99', ['nonce 7'], [intent('aa')]))).not.toBeNull();
  expect(decide(state, { ...transaction('99', ['nonce 7'], []), evacuation: true })).not.toBeNull();
});

describe('halted', () => {
  function halted(): JournalState {
    const state = emptyState();
    accept(state, transaction('01', ['x'], [intent('aa')]));
    const scope = { network: n, asset: null };
    const statement = { version: 1, kind: 'halt', scope, reason: 'drill', nonce: 'nonce-0001' } as const;
    const entry = peerHalt(state, statement, 'signer-2');
    if (entry) append(state, entry);
    return state;
  }
  const evacuation = (txid: string, fee: bigint) => ({ ...transaction(txid, ['x'], [], fee), evacuation: true });

  test('refuses new payments and the very same bytes', () => {
    const state = halted();
    expect(() => accept(state, transaction('02', ['y'], [intent('bb')]))).toThrow(refusal('halted', /drill/));
    expect(() => accept(state, transaction('01', ['x'], [intent('aa')]))).toThrow(refusal('halted'));
    expect(() => accept(state, transaction('03', ['y'], []))).toThrow(refusal('halted'));
  });

  test('covers an asset in whatever case its address is written', () => {
    const state = emptyState();
    const scope = { network: null, asset: btc.toUpperCase() };
    const statement = { version: 1, kind: 'halt', scope, reason: 'drill', nonce: 'nonce-0001' } as const;
    const entry = peerHalt(state, statement, 'signer-2');
    if (entry) append(state, entry);
    expect(() => accept(state, transaction('02', ['y'], [intent('bb')]))).toThrow(refusal('halted'));
  });

  test('still evacuates, within a fee budget of its own', () => {
    const state = halted();
    expect(accept(state, evacuation('02', 40n))).toEqual({ [`${n} evacuation-fee`]: '40' });
    expect(() => accept(state, evacuation('03', 31n))).toThrow(refusal('limit-exceeded', /evacuation-fee/));
    expect(accept(state, evacuation('03', 30n))).toEqual({ [`${n} evacuation-fee`]: '30' });
  });

  test('evacuates nothing that carries an intent', () => {
    const reviewed = { ...evacuation('02', 0n), intents: [intent('bb')] };
    expect(() => accept(halted(), reviewed)).toThrow(refusal('evacuation-refused'));
  });
});
