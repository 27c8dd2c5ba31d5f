import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import canonicalize from 'canonicalize';
import Type, { type Static } from 'typebox';
import { invariant } from '../invariant.ts';
import { Assertion, Authorization } from './evidence.ts';

/**
 * Canonical description of one payment, content-addressed by its digest. What a customer authorises, what approvers
 * approve and what signers check are this and nothing else. Amounts are decimal strings of base units.
 */
export const WithdrawalIntent = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Literal('withdrawal'),
    network: Type.String({ maxLength: 64 }),
    /** CAIP-19. */
    asset: Type.String({ maxLength: 160 }),
    amount: Type.String({ pattern: '^[1-9][0-9]{0,77}$' }),
    destination: Type.String({ maxLength: 128 }),
    memo: Type.Union([Type.String({ maxLength: 128 }), Type.Null()]),
    customer: Type.String({ pattern: '^cus_[0-9a-f-]{36}$' }),
    /** The most the customer agrees to be charged on top of the amount, base units of the same asset. */
    fee_max: Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$' }),
    /** RFC 3339 UTC with milliseconds; no signer signs after it. */
    expires_at: Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$' }),
    /** Chosen by the integrator, so that two equal payments have two digests. */
    nonce: Type.String({ pattern: '^[0-9a-zA-Z_-]{8,64}$' }),
  },
  { additionalProperties: false },
);
export type WithdrawalIntent = Static<typeof WithdrawalIntent>;

/**
 * How the server has booked an intent. Signers check nothing of it and keep it with the request: a server whose database was
 * lost reads it from them (docs/adr/0031-rebuilt-from-journals.md).
 */
const Booked = Type.Object(
  {
    withdrawal: Type.String({ pattern: '^wd_[0-9a-f-]{36}$' }),
    client_reference: Type.String({ minLength: 1, maxLength: 128 }),
    /** Charged to the customer on top of the amount, base units of the same asset. */
    fee: Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$' }),
    /** The engine's name of what it set aside, where it owns the balances. */
    reservation: Type.Optional(Type.String({ pattern: '^[!-~]{1,128}$' })),
  },
  { additionalProperties: false },
);

/** An intent with its evidence: who authorised it, and the approvals over the same digest. */
export const AuthorizedIntent = Type.Object(
  {
    intent: WithdrawalIntent,
    authorization: Authorization,
    approvals: Type.Array(Assertion, { maxItems: 16 }),
    /** What the customer is charged on top; named where the policy says `positions.count_fees`, and never above `fee_max`. */
    fee: Type.Optional(Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$' })),
    booked: Type.Optional(Booked),
  },
  { additionalProperties: false },
);
export type AuthorizedIntent = Static<typeof AuthorizedIntent>;

const domain = utf8ToBytes('holdfast/intent/v1\0');

/** RFC 8785 text of a JSON value. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  invariant(text !== undefined, 'value has no JSON form');
  return text;
}

/** SHA-256("holdfast/intent/v1" 0x00 RFC-8785-JSON), 32 bytes. */
export function intentDigest(intent: WithdrawalIntent): Uint8Array {
  return sha256(concatBytes(domain, utf8ToBytes(canonicalJson(intent))));
}

/** The digest as 64 lower-case hex digits, the name of the intent everywhere. */
export function intentDigestHex(intent: WithdrawalIntent): string {
  return bytesToHex(intentDigest(intent));
}
