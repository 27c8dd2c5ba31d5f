import Type, { type Static } from 'typebox';

/** What people and machines sign with. Everything here is checked by each signer itself. */
const strict = { additionalProperties: false } as const;
const hexUpTo = (bytes: number) => Type.String({ pattern: `^([0-9a-f]{2}){1,${bytes}}$` });

/** An Ed25519 signature (hex, 64 bytes, RFC 8032) over the 32 digest bytes by a key that the policy pins. */
export const KeySignature = Type.Object(
  { key_id: Type.String({ minLength: 1, maxLength: 64 }), signature: Type.String({ pattern: '^[0-9a-f]{128}$' }) },
  strict,
);
export type KeySignature = Static<typeof KeySignature>;

/** Credential id as WebAuthn gives it, base64url without padding. */
export const CredentialId = Type.String({ pattern: '^[A-Za-z0-9_-]{16,400}$' });
/** Public key of an ES256 credential: the uncompressed P-256 point, SEC 1. */
export const CredentialKey = Type.String({ pattern: '^04[0-9a-f]{128}$' });

/** A WebAuthn assertion (Web Authentication Level 3, 7.2) whose challenge is a digest of 32 bytes. */
export const Assertion = Type.Object(
  {
    credential_id: CredentialId,
    /** Bytes, hex. */
    authenticator_data: hexUpTo(512),
    /** The bytes of clientDataJSON, hex. */
    client_data_json: hexUpTo(1_024),
    /** DER, hex. */
    signature: hexUpTo(72),
  },
  strict,
);
export type Assertion = Static<typeof Assertion>;

/** Who asks for a payment or a change: an integrator's key, or the customer's own passkey. */
export const Authorization = Type.Union([KeySignature, Assertion]);
export type Authorization = Static<typeof Authorization>;

export function isAssertion(authorization: Authorization): authorization is Assertion {
  return 'credential_id' in authorization;
}
