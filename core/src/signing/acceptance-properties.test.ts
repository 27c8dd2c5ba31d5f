import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Failure } from '../failure.ts';
import { baseUnits } from '../money/base-units.ts';
import { networkOf } from '../policy/network-of.ts';
import type { BitcoinNetworkPolicy } from '../policy/policy.ts';
import { samplePolicy } from '../policy/sample-policy.test-support.ts';
import type { CheckedIntent } from './check-intents.ts';
import { decideAcceptance, type ReviewedTransaction } from './decide-acceptance.ts';
import { memoryJournal } from './evidence.test-support.ts';
import { decodeRecord, emptyHead } from './journal-record.ts';
import { applyRecord, emptyState } from './journal-state.ts';
import { positionKey } from './position-key.ts';

const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const customer = 'cus_01890000-0000-7000-8000-000000000001';
const startMs = 1_800_000_000_000;
const hourMs = 3_600_000;
const limits = { per_transaction_max: '100', per_hour_max: '150', per_day_max: '260' };
const integratorLimits = { per_transaction_max: '100', per_hour_max: '90', per_day_max: '120' };
const policy = samplePolicy((one) => {
  one.intent_s_max = 31 * 86_400;
  one.positions.approvals = 0;
  const bitcoin = networkOf(one, network) as BitcoinNetworkPolicy;
  Object.assign(bitcoin, {
    limits,
    integrator_limits: integratorLimits,
    approval_tiers: [],
    fee_per_day_max_sats: '30',
  });
});
const context = { policy, network: networkOf(policy, network), by: 'signer-1', request: '77'.repeat(32) };

/** Twelve payments; every third was authorised by an integrator only. */
const intents: readonly CheckedIntent[] = Array.from({ length: 12 }, (_, at) => ({
  digest: (at + 16).toString(16).repeat(32),
  asset: `${network}/slip44:0`,
  code: 'BTC',
  amount: baseUnits(BigInt(10 + at * 8)),
  destination: 'd',
  customer,
  fee: 0n,
  expiresAtMs: startMs + 30 * 24 * hourMs,
  class: at % 3 === 0 ? 'integrator' : 'customer',
  approvals: { total: 0, offline: 0 },
}));

interface Accepted {
  readonly atMs: number;
  readonly reviewed: ReviewedTransaction;
  /** Of them, those that no transaction paid before. */
  readonly first: readonly CheckedIntent[];
}

const step = fc.record({
  waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: hourMs }), fc.integer({ min: 0, max: 13 * hourMs })),
  pays: fc.uniqueArray(fc.nat(11), { maxLength: 4 }),
  keys: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 2 }),
  fee: fc.bigInt({ min: 0n, max: 5n }),
});
const steps = fc.array(step, { minLength: 20, maxLength: 80, size: 'max' });

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function run(list: readonly Step[]) {
  const journal = memoryJournal();
  const accepted: Accepted[] = [];
  let atMs = startMs;
  for (const [at, { waitMs, pays, keys, fee }] of list.entries()) {
    atMs += waitMs;
    const reviewed: ReviewedTransaction = {
      network,
      txid: (at + 1).toString(16).padStart(64, '0'),
      conflictKeys: keys,
      height: 1,
      intents: intents.filter((_, index) => pays.includes(index)),
      fee,
      evacuation: false,
    };
    const first = reviewed.intents.filter(({ digest }) => !journal.state.transactionsOf.has(digest));
    try {
      const entry = decideAcceptance(journal.state, reviewed, { ...context, nowMs: atMs });
      if (entry) journal.append(entry, atMs);
      accepted.push({ atMs, reviewed, first });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  return { journal, accepted };
}

const sum = (list: readonly CheckedIntent[]): bigint => list.reduce((total, { amount }) => total + amount, 0n);
const tight = (list: readonly CheckedIntent[]) => list.filter((one) => one.class === 'integrator');

test('never lets new payments or fees over a limit in any window', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const { accepted } = run(list);
      for (const { atMs } of accepted) {
        const within = (ms: number) => accepted.filter((one) => one.atMs <= atMs && one.atMs > atMs - ms);
        const paid = (ms: number) => within(ms).flatMap((one) => one.first);
        expect(sum(paid(hourMs))).toBeLessThanOrEqual(BigInt(limits.per_hour_max));
        expect(sum(paid(24 * hourMs))).toBeLessThanOrEqual(BigInt(limits.per_day_max));
        expect(sum(tight(paid(hourMs)))).toBeLessThanOrEqual(BigInt(integratorLimits.per_hour_max));
        expect(sum(tight(paid(24 * hourMs)))).toBeLessThanOrEqual(BigInt(integratorLimits.per_day_max));
        expect(within(24 * hourMs).reduce((fees, one) => fees + one.reviewed.fee, 0n)).toBeLessThanOrEqual(30n);
      }
    }),
  );
});

test('never lets one transaction pay more than the limits, however long its payments were gathered', () => {
  fc.assert(
    fc.property(steps, (list) => {
      for (const { reviewed } of run(list).accepted) {
        expect(sum(reviewed.intents)).toBeLessThanOrEqual(BigInt(limits.per_hour_max));
        expect(sum(tight(reviewed.intents))).toBeLessThanOrEqual(BigInt(integratorLimits.per_hour_max));
      }
    }),
  );
});

test('never accepts two transactions of one intent that the chain could both confirm', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const { accepted } = run(list);
      for (const { digest } of intents) {
        const paying = accepted
          .map(({ reviewed }) => reviewed)
          .filter((one) => one.intents.some((i) => i.digest === digest));
        for (const a of paying) {
          for (const b of paying) expect(a.conflictKeys.some((key) => b.conflictKeys.includes(key))).toBe(true);
        }
      }
    }),
  );
});

test('takes each payment from its customer’s position once', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const { journal, accepted } = run(list);
      const paid = new Set(accepted.flatMap(({ reviewed }) => reviewed.intents));
      expect(journal.state.positions.get(positionKey(customer, 'BTC')) ?? 0n).toBe(-sum([...paid]));
    }),
  );
});

test('comes to the same state by replaying the journal', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const { journal } = run(list);
      const replayed = emptyState();
      let head = emptyHead;
      for (const line of journal.lines) {
        const decoded = decodeRecord(head, line);
        head = decoded.head;
        applyRecord(replayed, decoded.record);
      }
      expect(replayed).toEqual(journal.state);
    }),
  );
});

test('the sequences do accept and replace', () => {
  const shapes = fc.sample(steps, { numRuns: 200, seed: 7 }).map((list) => run(list).accepted);
  const accepted = shapes.flat();
  expect(accepted.length).toBeGreaterThan(1_000);
  expect(accepted.filter((one) => one.first.length < one.reviewed.intents.length).length).toBeGreaterThan(50);
});
