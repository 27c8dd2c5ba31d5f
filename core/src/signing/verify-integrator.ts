import { hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import type { Policy } from '../policy/policy.ts';
import type { KeySignature } from './evidence.ts';
import type { Verifiers } from './verifiers.ts';

/**
 * Verifies an integrator's signature and that the policy lets this key do so.
 * @param digest 32 bytes. @throws Failure authorization-invalid
 */
export function verifyIntegrator(
  { key_id: keyId, signature }: KeySignature,
  action: Policy['integrator_keys'][number]['may'][number],
  digest: Uint8Array,
  policy: Policy,
  verifiers: Verifiers,
): void {
  const key = policy.integrator_keys.find((one) => one.key_id === keyId);
  if (!key) throw new Failure('authorization-invalid', `the policy has no integrator key ${keyId}`);
  if (!key.may.includes(action)) throw new Failure('authorization-invalid', `${keyId} may not ${action}`);
  if (!verifiers.ed25519(hexToBytes(key.public_key), digest, signature)) {
    throw new Failure('authorization-invalid', `the signature of ${keyId} does not hold`);
  }
}
