import Type, { type Static } from 'typebox';
import { Assertion, KeySignature } from './evidence.ts';

/** Stopping and starting: one may halt, a quorum resumes. */
const strict = { additionalProperties: false } as const;
const Nonce = Type.String({ pattern: '^[0-9a-zA-Z_-]{8,64}$' });

/** Which payments stop: all, those of a network, or those of one asset (CAIP-19). */
export const HaltScope = Type.Object(
  {
    network: Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 64 })]),
    asset: Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 160 })]),
  },
  strict,
);
export type HaltScope = Static<typeof HaltScope>;

export const HaltStatement = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Literal('halt'),
    scope: HaltScope,
    reason: Type.String({ minLength: 1, maxLength: 200 }),
    /** A statement counts once: a token that was used cannot halt again after the resumption. */
    nonce: Nonce,
    /** The vaults on chain are paused too, until cold governance unpauses them: dearer by far than a halt, so it is said. */
    pause: Type.Optional(Type.Literal(true)),
  },
  strict,
);
export type HaltStatement = Static<typeof HaltStatement>;

/**
 * A halt with its evidence: an operator's passkey, or a key of the policy's `halt_keys` (a watcher's, or the one that
 * signed an offline token in advance). A signer halts on its own over the mesh, where its certificate is its evidence.
 */
export const SignedHalt = Type.Object(
  { statement: HaltStatement, evidence: Type.Union([KeySignature, Assertion]) },
  strict,
);
export type SignedHalt = Static<typeof SignedHalt>;

export const ResumeStatement = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Literal('resume'),
    /** Digests of the halts to lift (`statementDigest('halt', ...)`); what was halted in the meantime stays. */
    halts: Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' }), { minItems: 1, maxItems: 100 }),
    reason: Type.String({ minLength: 1, maxLength: 200 }),
    expires_at: Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$' }),
    nonce: Nonce,
  },
  strict,
);
export type ResumeStatement = Static<typeof ResumeStatement>;

export const SignedResume = Type.Object(
  { statement: ResumeStatement, approvals: Type.Array(Assertion, { minItems: 1, maxItems: 16 }) },
  strict,
);
export type SignedResume = Static<typeof SignedResume>;
