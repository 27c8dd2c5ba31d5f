import { Failure } from '../failure.ts';
import { invariant } from '../invariant.ts';
import { assetPolicies } from '../policy/network-of.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import type { ReviewedTransaction } from './decide-acceptance.ts';
import type { EntryOf } from './journal-record.ts';
import type { JournalState } from './journal-state.ts';
import { chargedInWindow, chargeIsDue, degradedBudget, isUsedUp } from './rolling-charges.ts';

/**
 * Whether an accepted transaction may be signed although a peer could not be asked for its reservation: its payments draw
 * on the degraded budgets too, each once in 24 hours. This signer keeps to its share of the policy's limit: with q - 1
 * stolen keys every one of the n - q + 1 others could be brought to sign alone, cut off from the rest, and together they
 * are not to exceed it.
 *
 * The fee of each transaction counts as the network's coin that leaves: a thief may have a friend who mines. It is what was
 * charged for it at the acceptance, which an auditor without a node knows too. Where a relayer pays there is none, and an
 * evacuation has a fee budget of its own.
 * @returns the entry to journal before signing, or null when this very transaction was charged before.
 * @throws Failure degraded-limit
 */
export function decideDegraded(
  state: JournalState,
  reviewed: ReviewedTransaction,
  context: {
    readonly network: NetworkPolicy;
    readonly nowMs: number;
    /** Of so many signers so many sign. */
    readonly signers: number;
    readonly quorum: number;
  },
): EntryOf<'degraded'> | null {
  const { network: name, txid } = reviewed;
  const { network, nowMs, signers, quorum } = context;
  invariant(name === network.network, `${name} is judged by the policy of ${network.network}`);
  const key = `${name} ${txid}`;
  if (state.degraded.has(key)) return null;
  const sums = dueSums(state, reviewed, network, nowMs);
  if (sums.size > 0 && isUsedUp(state, nowMs))
    throw new Failure('degraded-limit', 'this signer was restored: its degraded limits count as used up for 24 hours');
  const parts = BigInt(signers - quorum + 1);
  const maxima = new Map(assetPolicies(network).map((one) => [one.asset, BigInt(one.degraded_per_day_max) / parts]));
  const charges = [...sums].map(([asset, amount]) => {
    const charged = chargedInWindow(state, degradedBudget(asset), nowMs);
    const max = maxima.get(asset) ?? 0n;
    if (charged + amount > max) {
      throw new Failure(
        'degraded-limit',
        `with a signer away, ${amount} of ${asset} on top of ${charged} in 24 hours is over ${max}, this signer's part`,
      );
    }
    return { asset: degradedBudget(asset), amount: amount.toString() };
  });
  return { kind: 'degraded', body: { network: name, txid, charges } };
}

/** What leaves and is not charged yet, by asset. */
function dueSums(
  state: JournalState,
  { network: name, txid, intents, fee, evacuation }: ReviewedTransaction,
  network: NetworkPolicy,
  nowMs: number,
): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  const add = (asset: string, amount: bigint) => sums.set(asset, (sums.get(asset) ?? 0n) + amount);
  for (const { digest, asset, amount } of intents) {
    if (chargeIsDue(state.degradedAtMs.get(digest), nowMs)) add(asset, amount);
  }
  // The journal finds the digests of the charge by the acceptance.
  const accepted = state.transactions.get(`${name} ${txid}`);
  invariant(accepted, `transaction ${txid} is not accepted yet`);
  if (evacuation) return sums;
  // A signer that could not look the fee up charged the most that its policy allowed then.
  if (fee > accepted.fee) {
    throw new Failure('degraded-limit', `the fee of ${txid} is ${fee}, only ${accepted.fee} was charged for it`);
  }
  if (accepted.fee > 0n) {
    const coin = assetPolicies(network).find(({ contract }) => contract === null);
    invariant(coin, `${name} takes fees in a coin that its policy lacks`);
    add(coin.asset, accepted.fee);
  }
  return sums;
}
