import { baseUnits } from '../money/base-units.ts';
import { networkOf } from '../policy/network-of.ts';
import type { BitcoinNetworkPolicy, Policy } from '../policy/policy.ts';
import { samplePolicy } from '../policy/sample-policy.test-support.ts';
import type { CheckedIntent } from './check-intents.ts';
import { decideAcceptance, type ReviewedTransaction } from './decide-acceptance.ts';
import { emptyHead, encodeRecord, type EntryOf, type JournalEntry } from './journal-record.ts';
import { applyRecord, type JournalState } from './journal-state.ts';

/* Small transactions and a small policy, for the tests of acceptance. */

export const nowMs = 1_800_000_000_000;
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;
export const minuteMs = 60_000;
export const n = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
export const btc = `${n}/slip44:0`;
export const eth = 'eip155:31337/slip44:60';
export const customer = 'cus_01890000-0000-7000-8000-000000000001';

/** Small limits; positions, tiers and the integrators' class out of the way unless a test brings them back. */
export function policyWith(change: (network: BitcoinNetworkPolicy, policy: Policy) => void = () => undefined): Policy {
  return samplePolicy((policy) => {
    policy.intent_s_max = 31 * 86_400;
    policy.positions.approvals = 0;
    const bitcoin = networkOf(policy, n) as BitcoinNetworkPolicy;
    Object.assign(bitcoin, {
      limits: { per_transaction_max: '1000', per_hour_max: '1000', per_day_max: '1000' },
      integrator_limits: { per_transaction_max: '200', per_hour_max: '200', per_day_max: '300' },
      degraded_per_day_max: '150',
      approval_tiers: [],
      fee_per_day_max_sats: '50',
      evacuation_fee_per_day_max_sats: '70',
    });
    change(bitcoin, policy);
  });
}
export const plain = policyWith();

export function intent(name: string, amount = 100n, change: Partial<CheckedIntent> = {}): CheckedIntent {
  return {
    digest: name.repeat(32),
    asset: btc,
    code: 'BTC',
    amount: baseUnits(amount),
    destination: 'd',
    customer,
    fee: 0n,
    expiresAtMs: nowMs + 1,
    class: 'customer',
    approvals: { total: 0, offline: 0 },
    ...change,
  };
}

export function transaction(
  txid: string,
  conflictKeys: string[],
  intents: CheckedIntent[],
  fee = 0n,
): ReviewedTransaction {
  return { network: n, txid: txid.repeat(32), height: 1, conflictKeys, intents, fee, evacuation: false };
}

export function decide(state: JournalState, reviewed: ReviewedTransaction, atMs = nowMs, policy = plain) {
  const network = networkOf(policy, reviewed.network);
  return decideAcceptance(state, reviewed, { policy, network, by: 'signer-1', request: '77'.repeat(32), nowMs: atMs });
}

export function append(state: JournalState, entry: JournalEntry, atMs = nowMs): void {
  applyRecord(state, encodeRecord(emptyHead, entry, atMs).record);
}

export type Charges = Record<string, string>;

/** Accepts and gives what was charged, by budget. */
export function accept(state: JournalState, reviewed: ReviewedTransaction, atMs = nowMs, policy = plain): Charges {
  const entry = decide(state, reviewed, atMs, policy);
  if (entry) append(state, entry, atMs);
  return chargesOf(entry);
}

export function chargesOf(entry: EntryOf<'accepted'> | EntryOf<'degraded'> | null): Charges {
  return Object.fromEntries((entry?.body.charges ?? []).map(({ asset, amount }) => [asset, amount]));
}

export const charged = (amount: bigint): Charges => ({ [btc]: `${amount}`, [`${btc} hour`]: `${amount}` });
