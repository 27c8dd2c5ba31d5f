import { bytesToHex } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import { parseBaseUnits, type BaseUnits } from '../money/base-units.ts';
import { assetPolicies, type AssetPolicy } from '../policy/network-of.ts';
import type { NetworkPolicy, Policy } from '../policy/policy.ts';
import { countApprovals, type ApprovalCount } from './count-approvals.ts';
import { destinationKey } from './destination-key.ts';
import { effectiveCredential } from './effective-credential.ts';
import { isAssertion } from './evidence.ts';
import { intentDigest, type AuthorizedIntent } from './intent.ts';
import type { JournalState } from './journal-state.ts';
import type { Verifiers } from './verifiers.ts';
import { verifyAssertion } from './verify-assertion.ts';
import { verifyIntegrator } from './verify-integrator.ts';

/** What one signer judges the withdrawals of one network by. */
export interface IntentRules {
  /** In force now. */
  readonly policy: Policy;
  /** Its part about the network of the transaction. */
  readonly network: NetworkPolicy;
  /** Customers' credentials and address books. */
  readonly state: JournalState;
  readonly verifiers: Verifiers;
  readonly nowMs: number;
  /** Canonical form of a destination in full, and whether it belongs to us. @throws Failure invalid-address, network-mismatch. */
  readonly parseDestination: (text: string) => { readonly address: string; readonly isOwn: boolean };
}

/** Who asked for a payment: the customer's own passkey, or only an integrator's key (the tighter class). */
export type IntentClass = 'customer' | 'integrator';

/** An intent whose evidence holds. */
export interface CheckedIntent {
  /** 64 hex digits. */
  readonly digest: string;
  /** CAIP-19. */
  readonly asset: string;
  /** The policy's code of the asset: positions are kept by it. */
  readonly code: string;
  readonly amount: BaseUnits;
  /** What the customer is charged on top, by the server's word and within the intent; 0 where the policy does not count fees. */
  readonly fee: bigint;
  /** Canonical text. */
  readonly destination: string;
  readonly customer: string;
  readonly expiresAtMs: number;
  readonly class: IntentClass;
  readonly approvals: ApprovalCount;
}

/**
 * Checks an intent for itself: network, asset, memo, the evidence and its class, the amount of one payment, the
 * destination and its entry in the address book, the approvals, and that no intent comes twice. What depends on other
 * payments (limits, positions, how many approvals) is decided by `decideAcceptance`. The schema was checked when the
 * message was parsed.
 * @throws Failure network-mismatch, unknown-asset, payment-mismatch, fee-above-maximum, authorization-invalid, credential-unknown,
 * limit-exceeded, invalid-address, destination-refused, destination-not-approved, destination-immature, approval-invalid.
 */
export function checkIntents(authorized: readonly AuthorizedIntent[], rules: IntentRules): CheckedIntent[] {
  const assets = new Map(assetPolicies(rules.network).map((asset) => [asset.asset, asset]));
  const checked = authorized.map((one) => checkIntent(one, rules, assets));
  if (new Set(checked.map((intent) => intent.digest)).size !== checked.length) {
    throw new Failure('payment-mismatch', 'an intent is in the batch twice');
  }
  return checked;
}

function checkIntent(
  one: AuthorizedIntent,
  rules: IntentRules,
  assets: ReadonlyMap<string, AssetPolicy>,
): CheckedIntent {
  const { intent } = one;
  const digestBytes = intentDigest(intent);
  const digest = bytesToHex(digestBytes);
  if (intent.network !== rules.network.network) {
    throw new Failure(
      'network-mismatch',
      `intent ${digest} is for ${intent.network}, the transaction for ${rules.network.network}`,
    );
  }
  const asset = assets.get(intent.asset);
  if (!asset) throw new Failure('unknown-asset', `intent ${digest}: the policy has no ${intent.asset}`);
  if (intent.memo !== null) {
    throw new Failure('payment-mismatch', `intent ${digest} asks for a memo, which ${intent.network} cannot carry`);
  }
  const intentClass = checkAuthorization(one, digestBytes, rules);
  const amount = parseBaseUnits(intent.amount);
  refuseAboveCeiling(digest, amount, asset, intentClass);
  const destination = checkDestination(one, digest, rules);
  const approvals = countApprovals(one.approvals, digestBytes, rules.policy, rules.verifiers);
  return {
    digest,
    asset: intent.asset,
    code: asset.code,
    amount,
    fee: checkFee(one, digest, rules.policy),
    destination,
    customer: intent.customer,
    expiresAtMs: Date.parse(intent.expires_at),
    class: intentClass,
    approvals,
  };
}

function checkAuthorization(
  { intent, authorization }: AuthorizedIntent,
  digest: Uint8Array,
  { policy, state, verifiers, nowMs }: IntentRules,
): IntentClass {
  if (!isAssertion(authorization)) {
    verifyIntegrator(authorization, 'withdraw', digest, policy, verifiers);
    return 'integrator';
  }
  const credential = effectiveCredential(state, policy, intent.customer, authorization.credential_id, nowMs);
  verifyAssertion(authorization, digest, credential.publicKey, policy.webauthn.customers, verifiers);
  return 'customer';
}

function refuseAboveCeiling(digest: string, amount: bigint, asset: AssetPolicy, intentClass: IntentClass): void {
  const ceilings = [asset.limits, ...(intentClass === 'integrator' ? [asset.integrator_limits] : [])];
  for (const { per_transaction_max: max } of ceilings) {
    if (amount > BigInt(max)) {
      throw new Failure('limit-exceeded', `intent ${digest}: ${amount} of ${asset.asset} is over ${max} a payment`);
    }
  }
}

/** The ledger takes amount and fee from the customer: a position that kept the fee would let it be paid out once more. */
function checkFee({ intent, fee }: AuthorizedIntent, digest: string, policy: Policy): bigint {
  if (policy.positions.count_fees !== true) return 0n;
  if (fee === undefined)
    throw new Failure('payment-mismatch', `intent ${digest} comes without the fee that is charged`);
  if (BigInt(fee) > BigInt(intent.fee_max)) {
    throw new Failure(
      'fee-above-maximum',
      `intent ${digest} is charged ${fee}, above its fee_max of ${intent.fee_max}`,
    );
  }
  return BigInt(fee);
}

function checkDestination({ intent }: AuthorizedIntent, digest: string, rules: IntentRules): string {
  const { address, isOwn } = rules.parseDestination(intent.destination);
  if (isOwn) {
    throw new Failure('destination-refused', `intent ${digest} pays ${address}, which belongs to the wallet system`);
  }
  if (rules.policy.destinations.delay_s === 0) return address;
  const entry = rules.state.destinations.get(destinationKey(intent.customer, intent.network, address));
  if (!entry) {
    throw new Failure(
      'destination-not-approved',
      `intent ${digest} pays ${address}, which is not in the address book of ${intent.customer}`,
    );
  }
  if (!(entry.effectiveAtMs <= rules.nowMs)) {
    throw new Failure(
      'destination-immature',
      `intent ${digest} pays ${address}, which counts from ${new Date(entry.effectiveAtMs).toISOString()}`,
    );
  }
  return address;
}
