import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { base64urlnopad } from '@scure/base';
import { Failure } from '../failure.ts';
import type { RelyingParty } from '../policy/policy.ts';
import type { Assertion } from './evidence.ts';
import { hasDistinctKeys } from './has-distinct-keys.ts';
import type { Verifiers } from './verifiers.ts';

/** Authenticator data, WebAuthn Level 3, 6.1: 32 bytes rpIdHash, 1 of flags, 4 of the signature counter. */
const authenticatorDataBytes = 37;
const userPresent = 0x01;
const userVerified = 0x04;
const backupEligible = 0x08;
const backedUp = 0x10;
const attestedCredential = 0x40;
const extensions = 0x80;

/**
 * Verifies a passkey's assertion over a digest (WebAuthn Level 3, 7.2). The caller has looked the credential up.
 * @param digest 32 bytes: the challenge. @param publicKeyHex uncompressed P-256 point.
 * @throws Failure authorization-invalid naming the clause that does not hold.
 */
export function verifyAssertion(
  assertion: Assertion,
  digest: Uint8Array,
  publicKeyHex: string,
  relyingParty: RelyingParty,
  verifiers: Verifiers,
): void {
  const problem = assertionProblem(assertion, digest, publicKeyHex, relyingParty, verifiers);
  if (problem !== null) {
    throw new Failure('authorization-invalid', `assertion of ${assertion.credential_id.slice(0, 24)}: ${problem}`);
  }
}

/** What is wrong with an assertion, in words; null when it holds. */
export function assertionProblem(
  assertion: Assertion,
  digest: Uint8Array,
  publicKeyHex: string,
  relyingParty: RelyingParty,
  verifiers: Verifiers,
): string | null {
  const authenticatorData = bytesOf(assertion.authenticator_data);
  const clientDataJson = bytesOf(assertion.client_data_json);
  if (!authenticatorData || !clientDataJson) return 'its bytes are not hex';
  const problem =
    authenticatorDataProblem(authenticatorData, relyingParty.rp_id) ??
    clientDataProblem(clientDataJson, digest, relyingParty.origins);
  if (problem !== null) return problem;
  const message = concatBytes(authenticatorData, sha256(clientDataJson));
  return verifiers.p256(publicKeyHex, message, assertion.signature) ? null : 'the signature does not hold';
}

function authenticatorDataProblem(bytes: Uint8Array, rpId: string): string | null {
  const flags = bytes[32];
  // Holdfast asks for no extension, and attested credential data belongs to registrations: what is longer, or says that
  // it is, was made for something else.
  if (bytes.length !== authenticatorDataBytes || flags === undefined) return 'authenticator data is not of 37 bytes';
  if ((flags & (attestedCredential | extensions)) !== 0) return 'authenticator data promises more than it has';
  if (bytesToHex(bytes.subarray(0, 32)) !== rpIdHash(rpId)) return `it was not made for ${rpId}`;
  if ((flags & userPresent) === 0) return 'nobody was present';
  if ((flags & userVerified) === 0) return 'the user was not verified';
  if ((flags & backedUp) !== 0 && (flags & backupEligible) === 0) return 'its backup flags contradict each other';
  return null;
}

function clientDataProblem(bytes: Uint8Array, digest: Uint8Array, origins: readonly string[]): string | null {
  const text = textOf(bytes);
  if (text === null) return 'client data is not UTF-8';
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return 'client data is not JSON';
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return 'client data is no JSON object';
  // Readers differ in which of two equal keys they take; what was shown and what is checked must be one.
  if (!hasDistinctKeys(text, data)) return 'client data has a key twice';
  const { type, challenge, origin, crossOrigin, topOrigin } = data as Record<string, unknown>;
  if (type !== 'webauthn.get') return 'its type is not webauthn.get';
  if (challenge !== base64urlnopad.encode(digest)) return 'its challenge is another digest';
  if (typeof origin !== 'string' || !origins.includes(origin)) return 'its origin is not pinned';
  if (crossOrigin !== undefined && crossOrigin !== false) return 'it was made across origins';
  if (topOrigin !== undefined) return 'it was made inside another page';
  return null;
}

function rpIdHash(rpId: string): string {
  return bytesToHex(sha256(utf8ToBytes(rpId)));
}

function bytesOf(hex: string): Uint8Array | null {
  return /^([0-9a-f]{2})*$/.test(hex) ? hexToBytes(hex) : null;
}

function textOf(bytes: Uint8Array): string | null {
  try {
    // A byte order mark stays and is refused by the JSON parser.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
