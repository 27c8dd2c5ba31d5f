import Type, { type Static, type TSchema } from 'typebox';
import { Empty, hex, Network, strict } from './message-parts.ts';

/** Every wallet's first; what leaves its epoch out is of it. */
export const firstEpoch = 1;
export const Epoch = Type.Integer({ minimum: firstEpoch, maximum: 1_000_000 });

/** For `statementDigest('key', ...)`: the signer holds its share of this key, made with all the others in one session. */
export const KeyStatement = Type.Object(
  {
    version: Type.Literal(1),
    network: Network,
    epoch: Epoch,
    session: hex(16),
    /** Hash of what all signers saw in the session: the packages of all, the ceremony, the policy that ordered the key. */
    transcript: hex(32),
    /** Hash of all that is common of the key. */
    key_hash: hex(32),
  },
  strict,
);
export type KeyStatement = Static<typeof KeyStatement>;

/** A key with the word of every signer that holds a share of it; epoch 1 has none. */
export const KeyRecord = Type.Object(
  {
    statement: KeyStatement,
    /** Ed25519 by each signer's statement key. */
    signatures: Type.Array(Type.Object({ signer: Type.String(), signature: hex(64) }, strict), {
      minItems: 2,
      maxItems: 9,
    }),
  },
  strict,
);
export type KeyRecord = Static<typeof KeyRecord>;

/** `epoch`: 1 when left out. */
const DkgSession = Type.Object({ network: Network, session: hex(16), epoch: Type.Optional(Epoch) }, strict);

/** The steps of a key generation, in order; signer/src/keys/key-generation.ts says what each guarantees. */
const DkgStep = Type.Union([
  Type.Literal('start'),
  Type.Literal('collect'),
  Type.Literal('verify'),
  Type.Literal('hold'),
  Type.Literal('confirm'),
]);
export type DkgStep = Static<typeof DkgStep>;

/** What signers say to one another while they make a wallet's keys; part of `meshMessages`. */
export const keyGenerationMessages = {
  /** From the peer with the lowest identifier only: do this step of the session. */
  '/v1/mesh/dkg/step': {
    /** `record`: with `confirm` from epoch 2 on, when the caller has confirmed. */
    request: Type.Object({ ...DkgSession.properties, step: DkgStep, record: Type.Optional(KeyRecord) }, strict),
    response: Empty,
  },
  /** Round 1: commitments to the polynomial and a proof of knowledge (point and scalar). */
  '/v1/mesh/dkg/package': {
    request: DkgSession,
    response: Type.Object(
      {
        identifier: hex(32),
        commitment: Type.Array(hex(33), { minItems: 2, maxItems: 9 }),
        proof: hex(65),
      },
      strict,
    ),
  },
  /** Echo round: the hash of all round-1 packages as this signer received them. */
  '/v1/mesh/dkg/echo': { request: DkgSession, response: Type.Object({ transcript: hex(32) }, strict) },
  /** Round 2: the caller's own share, a scalar. */
  '/v1/mesh/dkg/share': { request: DkgSession, response: Type.Object({ share: hex(32) }, strict) },
  /**
   * The hash of all that is common of the key that this signer has on disk from the session, and the session whose key it has
   * chosen for good. `signature`: its Ed25519 over the key's `KeyStatement`, from epoch 2 on.
   */
  '/v1/mesh/dkg/key': {
    request: DkgSession,
    response: Type.Object(
      {
        key_hash: Type.Union([hex(32), Type.Null()]),
        chosen: Type.Union([hex(16), Type.Null()]),
        signature: Type.Optional(hex(64)),
      },
      strict,
    ),
  },
} as const satisfies Record<string, { request: TSchema; response: TSchema }>;
