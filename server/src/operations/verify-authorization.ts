import { Failure } from '@holdfast/core/failure.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { isAssertion, type Authorization } from '@holdfast/core/signing/evidence.ts';
import { verifyAssertion } from '@holdfast/core/signing/verify-assertion.ts';
import { verifyIntegrator } from '@holdfast/core/signing/verify-integrator.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';

/**
 * Checks who authorised a digest, so that a request which the signers would refuse is refused at once. The signers do not
 * rely on it.
 * @param digest 32 bytes. @param credentialKey public key of a customer's passkey by its id, null for one that is not enrolled.
 * @throws Failure authorization-invalid, credential-unknown.
 */
export async function verifyAuthorization(
  policy: Policy,
  authorization: Authorization,
  digest: Uint8Array,
  may: Policy['integrator_keys'][number]['may'][number],
  credentialKey: (credentialId: string) => Promise<string | null>,
): Promise<void> {
  if (!isAssertion(authorization)) {
    const mayIt = policy.integrator_keys.some((key) => key.key_id === authorization.key_id && key.may.includes(may));
    const pointer = mayIt ? '/authorization/signature' : '/authorization/key_id';
    return pointingAt(pointer, () => verifyIntegrator(authorization, may, digest, policy, opensslVerifiers));
  }
  const key = await credentialKey(authorization.credential_id);
  if (key === null) {
    throw new Failure('credential-unknown', 'the credential is not enrolled for this customer', {
      pointer: '/authorization/credential_id',
    });
  }
  pointingAt('/authorization', () =>
    verifyAssertion(authorization, digest, key, policy.webauthn.customers, opensslVerifiers),
  );
}

function pointingAt(pointer: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(error.code, error.message, { pointer, cause: error });
  }
}
