import { Failure } from '../failure.ts';
import { invariant } from '../invariant.ts';
import { neededApprovals } from '../policy/needed-approvals.ts';
import { assetPolicies, type AssetPolicy } from '../policy/network-of.ts';
import type { NetworkPolicy, Policy } from '../policy/policy.ts';
import type { CheckedIntent } from './check-intents.ts';
import { decideCharges } from './decide-charges.ts';
import type { EntryOf } from './journal-record.ts';
import { obstacles, type JournalState } from './journal-state.ts';
import { positionKey } from './position-key.ts';
import { refuseHalted } from './refuse-halted.ts';

/** A reviewed transaction: its bytes are known to pay exactly these intents. */
export interface ReviewedTransaction {
  readonly network: string;
  /** Names the exact bytes: Bitcoin txid or Safe transaction hash, 64 hex digits. */
  readonly txid: string;
  /** Of two transactions of the network that share a key, the chain confirms at most one. */
  readonly conflictKeys: readonly string[];
  /** Tip of this signer's own nodes when it was reviewed. */
  readonly height: number;
  readonly intents: readonly CheckedIntent[];
  /** What the wallet itself pays on top, base units of the network's coin; 0 where a relayer pays. */
  readonly fee: bigint;
  /** Known to pay sealed cold addresses of the policy and nothing else. */
  readonly evacuation: boolean;
  /** Assets (CAIP-19) of which it is known to take enough to sealed cold addresses, each once, and to pay nobody else. */
  readonly skim?: readonly string[];
}

export interface AcceptanceContext {
  /** In force now. */
  readonly policy: Policy;
  /** Its part about the transaction's network. */
  readonly network: NetworkPolicy;
  /** The signer that wants to sign: this one, or the peer that asks for the reservation. */
  readonly by: string;
  /** SHA-256 of the request's RFC 8785 text, 64 hex digits. */
  readonly request: string;
  /** The time that the entry is journalled with. */
  readonly nowMs: number;
  /** A peer's transaction that the rules of this signer refuse and that counts all the same, but is not to be signed here for that. */
  readonly beyondRules?: boolean;
}

/** Replacements of one payment; a server that asks for more only fills the journal. */
export const acceptancesMax = 64;

/**
 * The rules that depend on time and history: halts, expiry, at most one payment, approvals, customers' positions, rolling
 * limits.
 *
 * A second transaction for an intent must conflict with every earlier one that could still confirm, so at most one of them
 * ever does. The very same bytes again are no second payment: they pass without a charge, even when the intent has
 * expired meanwhile, but never while signing is halted or approvals are missing. What was only taken over from a peer, beyond
 * the rules, has passed none: it is judged like a new one, with what it was charged. An evacuation passes halts and draws
 * on a fee budget of its own.
 * @returns the entry to journal before signing, or null for the same bytes again.
 * @throws Failure halted, intent-expired, already-paid-by, approval-missing, position-exceeded, limit-exceeded,
 * payment-mismatch, evacuation-refused.
 */
export function decideAcceptance(
  state: JournalState,
  reviewed: ReviewedTransaction,
  context: AcceptanceContext,
): EntryOf<'accepted'> | null {
  const { network, txid, height, conflictKeys, intents } = reviewed;
  invariant(network === context.network.network, `${network} is judged by the policy of ${context.network.network}`);
  if (reviewed.evacuation) refuseIntents(reviewed);
  else refuseHalted(state, network, [...new Set([...intents.map(({ asset }) => asset), ...(reviewed.skim ?? [])])]);

  const assets = new Map(assetPolicies(context.network).map((asset) => [asset.asset, asset]));
  for (const intent of intents) checkApprovals(intent, assets);
  const digests = intents.map((intent) => intent.digest);
  const same = state.transactions.get(`${network} ${txid}`);
  if (same && !(digests.length === same.digests.size && digests.every((digest) => same.digests.has(digest))))
    throw new Failure('payment-mismatch', `transaction ${txid} was accepted for other intents`);
  if (same && (!same.beyondRules || context.beyondRules === true)) return null;
  if (!same && intents.length === 0 && !reviewed.evacuation) refuseManyCalls(state, reviewed);
  for (const intent of intents) {
    checkTimes(intent, context);
    if (!same) checkAtMostOnce(state, intent, reviewed);
  }
  const charges = decideCharges(state, reviewed, context);
  const positions = takeFromPositions(state, intents, context.policy);
  if (same) {
    // Nothing is journalled for the same bytes, so nothing would be charged either.
    if (charges.length > 0) {
      throw new Failure(
        'limit-exceeded',
        `what ${txid} was charged has left the window; a replacement is charged anew`,
      );
    }
    return null;
  }
  return {
    kind: 'accepted',
    body: {
      network,
      txid,
      height,
      conflict_keys: [...conflictKeys],
      digests,
      charges,
      request: context.request,
      policy: context.policy.version,
      by: context.by,
      positions,
      ...(context.beyondRules === true && { beyond_rules: true as const }),
    },
  };
}

function refuseIntents({ txid, intents }: ReviewedTransaction): void {
  if (intents.length > 0) throw new Failure('evacuation-refused', `evacuation ${txid} carries intents`);
}

function checkTimes({ digest, expiresAtMs }: CheckedIntent, { policy, nowMs }: AcceptanceContext): void {
  // Written so that an unreadable time (NaN) counts as expired.
  if (!(nowMs < expiresAtMs)) throw new Failure('intent-expired', `intent ${digest} has expired`);
  if (expiresAtMs - nowMs > policy.intent_s_max * 1_000) {
    throw new Failure('limit-exceeded', `intent ${digest} expires more than ${policy.intent_s_max} s ahead`);
  }
}

function checkAtMostOnce(state: JournalState, { digest }: CheckedIntent, reviewed: ReviewedTransaction): void {
  const [earlier] = obstacles(state, [digest], reviewed);
  if (earlier) {
    throw new Failure(
      'already-paid-by',
      `intent ${digest} is paid by ${earlier.txid}, which this transaction does not exclude`,
    );
  }
  if ((state.transactionsOf.get(digest)?.length ?? 0) >= acceptancesMax) {
    throw new Failure('limit-exceeded', `intent ${digest} has ${acceptancesMax} transactions already`);
  }
}

/** A call needs nobody's evidence: without end it would fill the disks of all signers, and a full disk does not even evacuate. */
function refuseManyCalls(state: JournalState, { network, conflictKeys }: ReviewedTransaction): void {
  for (const key of conflictKeys) {
    if ((state.transactionsAt.get(`${network} ${key}`)?.length ?? 0) < acceptancesMax) continue;
    throw new Failure('limit-exceeded', `${key} has ${acceptancesMax} transactions already`);
  }
}

function checkApprovals(intent: CheckedIntent, assets: ReadonlyMap<string, AssetPolicy>): void {
  const asset = assets.get(intent.asset);
  if (!asset) throw new Failure('limit-exceeded', `the policy has no limit for ${intent.asset}`);
  const needed = neededApprovals(asset, intent.amount);
  const { total, offline } = intent.approvals;
  if (total < needed.approvals || offline < needed.offline) {
    throw new Failure(
      'approval-missing',
      `intent ${intent.digest} has ${total} approvals, ${offline} of them offline, and needs ${needed.approvals}, ${needed.offline} of them offline`,
    );
  }
}

/**
 * A digest takes from its customer's position once, when it is accepted for the first time; a replacement takes nothing,
 * and neither does a payment of a transaction that turned out dead.
 */
function takeFromPositions(
  state: JournalState,
  intents: readonly CheckedIntent[],
  policy: Policy,
): EntryOf<'accepted'>['body']['positions'] {
  const left = new Map<string, bigint>();
  const takes: EntryOf<'accepted'>['body']['positions'] = [];
  for (const { digest, customer, code, amount: paid, fee, approvals } of intents) {
    const amount = paid + fee;
    const key = positionKey(customer, code);
    const isTaken = state.transactionsOf.has(digest);
    // Beyond the rules it was taken without asking whether it was there.
    if (isTaken && !state.beyondRules.has(digest)) continue;
    const now = left.get(key) ?? state.positions.get(key) ?? 0n;
    const before = isTaken ? now + amount : now;
    if (policy.positions.approvals > 0 && amount > before && approvals.total < policy.positions.approvals) {
      throw new Failure(
        'position-exceeded',
        `intent ${digest} takes ${amount} ${code} from ${customer}, who is proven to have ${before}; ${policy.positions.approvals} approvals would do`,
      );
    }
    left.set(key, before - amount);
    if (!isTaken) takes.push({ customer, asset: code, amount: amount.toString() });
  }
  return takes;
}
