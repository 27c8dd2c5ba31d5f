import { Failure } from '../failure.ts';
import { checkCustomerAuthorization } from './check-customer-authorization.ts';
import type { CredentialRecord } from './customer-record.ts';
import type { RecordRules } from './decide-customer-record.ts';
import { isReservedCredential } from './effective-credential.ts';
import { isAssertion, type Authorization } from './evidence.ts';
import type { JournalState } from './journal-state.ts';
import { chargedInWindow, credentialChangesBudget } from './rolling-charges.ts';

/**
 * Judges that a passkey is added to a customer or taken away. The first one ever needs an integrator key that may 'enrol',
 * for nothing else could vouch for it; every later one an effective passkey of the customer, or whoever steals the
 * integrator's key would make a second passkey for everybody. A removal only tightens, so either may ask for it.
 * @returns when it counts: an addition after the policy's delay, the first one no sooner than a loosening of the policy (it
 * lifts its customer out of the integrator's tighter class), a removal at once (0).
 * @throws Failure credential-conflict, credential-unknown, limit-exceeded, authorization-invalid
 */
export function checkCredentialRecord(
  state: JournalState,
  record: CredentialRecord,
  authorization: Authorization,
  digest: Uint8Array,
  rules: RecordRules,
): number {
  const { policy, nowMs } = rules;
  if (record.action === 'add') refuseTaken(state, record, rules);
  else refuseUnknown(state, record);
  if (record.action === 'add' && !isAssertion(authorization)) refuseSecond(state, record.customer);
  checkCustomerAuthorization(state, record.customer, authorization, 'enrol', digest, rules);
  // Counted, but never refused: whoever enrols passkey after passkey must not keep the owner of a stolen one from removing it.
  if (record.action === 'remove') return 0;
  const changes = chargedInWindow(state, credentialChangesBudget, nowMs);
  if (changes >= BigInt(policy.credentials.changes_per_day_max)) {
    throw new Failure('limit-exceeded', `${changes} credentials were added or removed in 24 hours; more must wait`);
  }
  // Only a first one may be the integrator's.
  const isFirst = !isAssertion(authorization);
  const delayS = isFirst ? Math.max(policy.credentials.delay_s, policy.delays.loosen_s) : policy.credentials.delay_s;
  return nowMs + delayS * 1_000;
}

/** One that was removed counts: else a removal and a "first" enrolment would be two steps to the same end. */
function refuseSecond(state: JournalState, customer: string): void {
  if (!state.enrolled.has(customer)) return;
  throw new Failure(
    'authorization-invalid',
    `${customer} has had a passkey: only a passkey of theirs may add another`,
    {
      fix: 'Let the customer add it with a passkey that counts; without one they stay in the tighter class.',
    },
  );
}

/** An id is given once: not to another customer, not with another key, and not again after its removal. */
function refuseTaken(state: JournalState, record: CredentialRecord, { policy }: RecordRules): void {
  const name = record.credential_id.slice(0, 24);
  const known = state.credentials.get(record.credential_id);
  if (known) {
    const why = known.removedAtMs === null ? `belongs to ${known.customer}` : `was removed from ${known.customer}`;
    throw new Failure('credential-conflict', `credential ${name} ${why}`);
  }
  if (isReservedCredential(policy, record.credential_id, record.public_key)) {
    throw new Failure('credential-conflict', `credential ${name} is an approver's or an operator's`);
  }
}

function refuseUnknown(state: JournalState, record: CredentialRecord): void {
  const known = state.credentials.get(record.credential_id);
  const isIt = known?.customer === record.customer && known.publicKey === record.public_key;
  if (!isIt || known.removedAtMs !== null) {
    throw new Failure(
      'credential-unknown',
      `credential ${record.credential_id.slice(0, 24)} is not enrolled for ${record.customer} with this key`,
    );
  }
}
