import { createPublicKey, verify } from 'node:crypto';
import { Failure } from '@holdfast/core/failure.ts';
import { intentDigest, type IntentAuthorization, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';

/** DER prefix of an Ed25519 public key, RFC 8410. */
const spki = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Checks the integrator's signature over the intent's digest, so that a request which the signers would refuse is
 * refused at once. The signers do not rely on it.
 * @param keys hex Ed25519 public keys by id. @throws Failure authorization-invalid.
 */
export function verifyAuthorization(
  intent: WithdrawalIntent,
  authorization: IntentAuthorization,
  keys: ReadonlyMap<string, string>,
): void {
  const key = keys.get(authorization.key_id);
  if (!key)
    throw new Failure('authorization-invalid', `no integrator key ${authorization.key_id}`, {
      pointer: '/authorization/key_id',
    });
  const publicKey = createPublicKey({
    key: Buffer.concat([spki, Buffer.from(key, 'hex')]),
    format: 'der',
    type: 'spki',
  });
  if (!verify(null, intentDigest(intent), publicKey, Buffer.from(authorization.signature, 'hex'))) {
    throw new Failure('authorization-invalid', `the signature of ${authorization.key_id} is not over this intent`, {
      pointer: '/authorization/signature',
    });
  }
}
