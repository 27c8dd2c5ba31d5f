import { Failure } from '../failure.ts';
import type { Policy } from '../policy/policy.ts';
import type { CustomerCredential, JournalState } from './journal-state.ts';

/**
 * The customer's passkey with this id, if it counts now: it has matured, was not removed, and is nobody's approval or
 * operator credential.
 * @throws Failure credential-unknown
 */
export function effectiveCredential(
  state: JournalState,
  policy: Policy,
  customer: string,
  credentialId: string,
  nowMs: number,
): CustomerCredential {
  const name = credentialId.slice(0, 24);
  const credential = state.credentials.get(credentialId);
  if (!credential || credential.customer !== customer) {
    throw new Failure('credential-unknown', `credential ${name} is not enrolled for ${customer}`);
  }
  if (credential.removedAtMs !== null) {
    throw new Failure('credential-unknown', `credential ${name} was removed`);
  }
  if (!(credential.effectiveAtMs <= nowMs)) {
    throw new Failure('credential-unknown', `credential ${name} counts from ${isoTime(credential.effectiveAtMs)}`);
  }
  if (isReservedCredential(policy, credentialId, credential.publicKey)) {
    throw new Failure('credential-unknown', `credential ${name} approves or operates; it is no customer's`);
  }
  return credential;
}

/** Whether the policy names the credential, or its key, as an approver's or an operator's. */
export function isReservedCredential(policy: Policy, credentialId: string, publicKey: string): boolean {
  const isIt = (one: { credential_id: string; public_key: string }) =>
    one.credential_id === credentialId || one.public_key === publicKey;
  return policy.approvers.some(isIt) || policy.operators.some(isIt);
}

function isoTime(atMs: number): string {
  return new Date(atMs).toISOString();
}
