import { sign } from 'node:crypto';
import type { KeySignature } from '@holdfast/core/signing/evidence.ts';
import { intentDigest, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { ed25519PrivateKey, type PrivateKey } from './keys.ts';

/**
 * The customer's evidence for one payment: an Ed25519 signature over the intent's digest by the integrator key that
 * the signers pin. It is a key of its own, never the one that signs requests.
 */
export function authorizeIntent(
  intent: WithdrawalIntent,
  signer: { keyId: string; privateKey: PrivateKey },
): KeySignature {
  const signature = sign(null, intentDigest(intent), ed25519PrivateKey(signer.privateKey));
  return { key_id: signer.keyId, signature: signature.toString('hex') };
}
