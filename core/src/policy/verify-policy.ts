import { hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import { statementDigest } from '../signing/statement.ts';
import type { Policy, SignedPolicy } from './policy.ts';

/** Ed25519 (RFC 8032) by a public key of 32 bytes; false for anything malformed. */
export type VerifyEd25519 = (publicKey: Uint8Array, message: Uint8Array, signatureHex: string) => boolean;

/**
 * Checks that a quorum of administrators signed the version.
 * @param administrators of the version in force; for version 1 its own.
 * @returns the key ids that signed, in the order of the signatures.
 * @throws Failure policy-invalid when one signature does not hold, is by a key that is not listed or signs twice, or when
 * the keys are fewer than the quorum.
 */
export function verifyPolicy(
  signed: SignedPolicy,
  administrators: Policy['administrators'],
  ed25519: VerifyEd25519,
): string[] {
  const digest = statementDigest('policy', signed.policy);
  const signers: string[] = [];
  // Counted by key: one key under two ids is one administrator.
  const keys = new Set<string>();
  for (const { key_id: keyId, signature } of signed.signatures) {
    const refusal = (what: string) => new Failure('policy-invalid', `the signature of ${keyId.slice(0, 64)} ${what}`);
    const listed = administrators.keys.find((key) => key.key_id === keyId);
    if (listed === undefined) throw refusal('is by no administrator of the version in force');
    if (keys.has(listed.public_key)) throw refusal('is its second one');
    if (!ed25519(hexToBytes(listed.public_key), digest, signature)) throw refusal('does not hold');
    keys.add(listed.public_key);
    signers.push(keyId);
  }
  if (keys.size < administrators.quorum) {
    throw new Failure(
      'policy-invalid',
      `version ${signed.policy.version} has ${keys.size} of ${administrators.quorum} administrators' signatures`,
      { fix: 'Collect the missing signatures with holdfast policy sign.' },
    );
  }
  return signers;
}
