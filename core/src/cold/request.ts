import Type, { type Static } from 'typebox';
import { Failure } from '../failure.ts';
import { SafeTransaction } from '../signing/messages.ts';
import { statementDigestHex } from '../signing/statement.ts';
import { parseCanonical } from './parse-canonical.ts';
import { ColdCard } from './setup.ts';

const strict = { additionalProperties: false } as const;
const hex32 = Type.String({ pattern: '^[0-9a-f]{64}$' });
/** RFC 3339 UTC with milliseconds. */
const Time = Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$' });
/** Below the hot wallet's group key: branch 0 deposits, 1 its own. */
const Path = Type.Tuple([
  Type.Union([Type.Literal(0), Type.Literal(1)]),
  Type.Integer({ minimum: 0, maximum: 0x7fff_ffff }),
]);
const inputsMax = 500;

const BitcoinPayload = Type.Object(
  {
    /** PSBT of version 0 (BIP-174) without signatures, base64. */
    psbt: Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength: 2_000_000 }),
    /** Of a refill, the hot addresses that it pays; of a recovery, that of each input, in their order. */
    paths: Type.Array(Path, { minItems: 1, maxItems: inputsMax }),
  },
  strict,
);
const EvmPayload = Type.Object({ safe_transaction: SafeTransaction }, strict);

/**
 * What custodians are asked to sign.
 *
 * refill: from cold to hot. governance: a call of a governed contract by the cold Safe. recovery: hot Bitcoin coins to cold, by
 * the custodians' leaf. Its digest is compared out of band.
 */
export const ColdRequest = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Union([Type.Literal('refill'), Type.Literal('governance'), Type.Literal('recovery')]),
    network: Type.String({ pattern: '^(eip155:[1-9][0-9]{0,31}|bip122:[0-9a-f]{32})$' }),
    /** Digest of the setup that it is made for. */
    setup: hex32,
    created_at: Time,
    /** No custodian signs after it. */
    expires_at: Time,
    payload: Type.Union([BitcoinPayload, EvmPayload]),
  },
  strict,
);
export type ColdRequest = Static<typeof ColdRequest>;
export type BitcoinPayload = Static<typeof BitcoinPayload>;
export type EvmPayload = Static<typeof EvmPayload>;

/** One custodian's signatures for a request. */
export const ColdPartial = Type.Object(
  {
    version: Type.Literal(1),
    /** Digest of the request. */
    request: hex32,
    custodian: ColdCard.properties.name,
    /**
     * Bitcoin: 64 bytes an input, r and s (refill) or BIP-340 (recovery). EVM: one of 65 bytes, r s v with v 27 or 28. Hex.
     */
    signatures: Type.Array(Type.String({ pattern: '^[0-9a-f]{128}(1b|1c)?$' }), { minItems: 1, maxItems: inputsMax }),
  },
  strict,
);
export type ColdPartial = Static<typeof ColdPartial>;

/** The request's name, 64 hex digits. */
export function requestDigest(request: ColdRequest): string {
  return statementDigestHex('cold-request', request);
}

const lifeMsMax = 31 * 86_400_000;

/** Reads the text of a request. @throws Failure cold-request-invalid, also when it lives for more than 31 days. */
export function parseColdRequest(text: string): ColdRequest {
  const request = parseCanonical(text, ColdRequest, 'the request', 'cold-request-invalid');
  const createdMs = timeOf(request.created_at);
  const lifeMs = timeOf(request.expires_at) - createdMs;
  if (lifeMs <= 0 || lifeMs > lifeMsMax) {
    throw new Failure(
      'cold-request-invalid',
      `the request was made at ${request.created_at} and expires at ${request.expires_at}; at most 31 days may lie between`,
    );
  }
  return request;
}

/** Reads the text of a partial signature. @param file it is from, for the Failure. @throws Failure cold-partial-invalid */
export function parseColdPartial(text: string, file: string): ColdPartial {
  return parseCanonical(text, ColdPartial, `the partial signature ${file}`, 'cold-partial-invalid');
}

const aheadMsMax = 86_400_000;

/**
 * @param nowMs of this machine's own clock.
 * @throws Failure cold-request-expired; cold-request-invalid when it was made more than a day from now, which would let it live on
 * beyond its 31 days.
 */
export function refuseUntimely({ created_at: made, expires_at: expires }: ColdRequest, nowMs: number): void {
  const now = new Date(nowMs).toISOString();
  if (nowMs >= Date.parse(expires))
    throw new Failure('cold-request-expired', `the request expired at ${expires}; the clock says ${now}`);
  if (Date.parse(made) - nowMs > aheadMsMax) {
    throw new Failure('cold-request-invalid', `the request was made at ${made}; the clock says ${now}`, {
      fix: 'Mend the clock of this machine if it is late; else ask for a new request.',
    });
  }
}

/** The schema lets a 31st of February pass. */
function timeOf(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== text)
    throw new Failure('cold-request-invalid', `no day and time: ${text}`);
  return ms;
}
