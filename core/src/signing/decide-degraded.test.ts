import { describe, expect, test } from 'vitest';
import { networkOf } from '../policy/network-of.ts';
import {
  nowMs,
  n,
  btc,
  eth,
  plain,
  intent,
  transaction,
  append,
  type Charges,
  accept,
  chargesOf,
} from './acceptance.test-support.ts';
import type { ReviewedTransaction } from './decide-acceptance.ts';
import { decideDegraded } from './decide-degraded.ts';
import { emptyState, type JournalState } from './journal-state.ts';

function refusal(code: string, message: RegExp = /./): unknown {
  return expect.objectContaining({ code, message: expect.stringMatching(message) });
}

describe('degraded', () => {
  /** Two of two, unless a test says otherwise: nobody else could be brought to sign. */
  const context = (signers = 2, quorum = 2) => ({ network: networkOf(plain, n), nowMs, signers, quorum });
  function release(state: JournalState, reviewed: ReviewedTransaction, of = context()): Charges {
    accept(state, reviewed);
    const entry = decideDegraded(state, reviewed, of);
    if (entry) append(state, entry);
    return chargesOf(entry);
  }

  test('lets out exactly its own limit', () => {
    const state = emptyState();
    expect(release(state, transaction('01', ['x'], [intent('aa', 150n)]))).toEqual({ [`${btc} degraded`]: '150' });
    expect(() => release(state, transaction('02', ['y'], [intent('bb', 1n)]))).toThrow(refusal('degraded-limit'));
  });

  test.each([
    [3, 2, 75n],
    [4, 3, 75n],
    [5, 3, 50n],
  ])(
    'of %i signers with quorum %i, those that a thief cuts off from each other let out the limit together',
    (signers, quorum, share) => {
      const state = emptyState();
      const of = context(signers, quorum);
      release(state, transaction('01', ['x'], [intent('aa', share)]), of);
      expect(() => release(state, transaction('02', ['y'], [intent('bb', 1n)]), of)).toThrow(refusal('degraded-limit'));
    },
  );

  test('charges a payment once: not for the same bytes, nor for a replacement', () => {
    const state = emptyState();
    const first = transaction('01', ['x'], [intent('aa', 150n)]);
    release(state, first);
    expect(decideDegraded(state, first, context())).toBeNull();
    expect(release(state, transaction('02', ['x'], [intent('aa', 150n)]))).toEqual({});
    expect(state.degraded.size).toBe(2);
  });

  test('charges the fee as the coin that leaves, of every replacement anew', () => {
    const state = emptyState();
    const paid = [intent('aa', 100n)];
    expect(release(state, transaction('01', ['x'], paid, 20n))).toEqual({ [`${btc} degraded`]: '120' });
    expect(release(state, transaction('02', ['x'], paid, 30n))).toEqual({ [`${btc} degraded`]: '30' });
  });

  test('lets out no fee above its limit, however little is paid', () => {
    const state = emptyState();
    const of = context(3, 2);
    release(state, transaction('01', ['x'], [intent('aa', 30n)], 45n), of);
    expect(() => release(state, transaction('02', ['y'], [intent('bb', 1n)]), of)).toThrow(
      refusal('degraded-limit', /on top of 75 /),
    );
  });

  test('an evacuation and a network where a relayer pays are charged no fee', () => {
    const state = emptyState();
    const evacuation = { ...transaction('01', ['x'], [], 70n), evacuation: true };
    expect(release(state, evacuation)).toEqual({});
    const evm = { ...transaction('02', ['y'], [intent('bb', 5n, { asset: eth })]), network: 'eip155:31337' };
    expect(release(state, evm, { ...context(), network: networkOf(plain, evm.network) })).toEqual({
      [`${eth} degraded`]: '5',
    });
  });

  test('charges what the acceptance charged; a fee that was charged too low is refused', () => {
    const state = emptyState();
    const bound = transaction('01', ['x'], [intent('aa', 10n)], 40n);
    accept(state, bound);
    const entry = decideDegraded(state, { ...bound, fee: 7n }, context());
    expect(chargesOf(entry)).toEqual({ [`${btc} degraded`]: '50' });
    expect(() => decideDegraded(state, { ...bound, fee: 41n }, context())).toThrow(
      refusal('degraded-limit', /only 40 was charged/),
    );
  });
});
