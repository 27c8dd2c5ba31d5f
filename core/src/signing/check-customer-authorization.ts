import type { Policy } from '../policy/policy.ts';
import type { RecordRules } from './decide-customer-record.ts';
import { effectiveCredential } from './effective-credential.ts';
import { isAssertion, type Authorization } from './evidence.ts';
import type { JournalState } from './journal-state.ts';
import { verifyAssertion } from './verify-assertion.ts';
import { verifyIntegrator } from './verify-integrator.ts';

/**
 * Verifies that a customer's own effective passkey, or an integrator key that may do so, signed a change of the customer's
 * credentials or destinations.
 * @param digest 32 bytes. @throws Failure authorization-invalid, credential-unknown
 */
export function checkCustomerAuthorization(
  state: JournalState,
  customer: string,
  authorization: Authorization,
  action: Policy['integrator_keys'][number]['may'][number],
  digest: Uint8Array,
  { policy, verifiers, nowMs }: RecordRules,
): void {
  if (!isAssertion(authorization)) return verifyIntegrator(authorization, action, digest, policy, verifiers);
  const credential = effectiveCredential(state, policy, customer, authorization.credential_id, nowMs);
  verifyAssertion(authorization, digest, credential.publicKey, policy.webauthn.customers, verifiers);
}
