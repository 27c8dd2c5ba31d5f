import Type, { type Static } from 'typebox';
import { statementDigestHex } from '../signing/statement.ts';

const strict = { additionalProperties: false } as const;
const hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });

/**
 * What the key ceremony fixes: who the signers are and which policy they start with. Each administrator compares its digest
 * out of band; signers of different ceremonies refuse each other.
 */
export const CeremonyTranscript = Type.Object(
  {
    version: Type.Literal(1),
    /** Signers that make a signature. */
    quorum: Type.Integer({ minimum: 1, maximum: 16 }),
    signers: Type.Array(
      Type.Object(
        {
          signer: Type.String({ minLength: 1, maxLength: 64 }),
          /** FROST identifier, as in config.json. */
          identifier: Type.Integer({ minimum: 1, maximum: 9 }),
          /** SHA-256 of its TLS certificate. */
          fingerprint: hex(32),
          owner_address: Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' }),
          /** Ed25519. */
          statement_key: hex(32),
        },
        strict,
      ),
      { minItems: 1, maxItems: 16 },
    ),
    /** SHA-256 of the TLS certificate of the server. */
    server_fingerprint: hex(32),
    /** Digest of version 1. */
    policy: hex(32),
  },
  strict,
);
export type CeremonyTranscript = Static<typeof CeremonyTranscript>;

/** The ceremony's name, 64 hex digits: the same at every signer, in whatever order it lists itself and its peers. */
export function ceremonyDigest(transcript: CeremonyTranscript): string {
  const signers = transcript.signers.toSorted((a, b) => a.identifier - b.identifier);
  // The case of an address is its checksum, not its identity.
  return statementDigestHex('ceremony', {
    ...transcript,
    signers: signers.map((signer) => ({ ...signer, owner_address: signer.owner_address.toLowerCase() })),
  });
}
