import Type, { type Static } from 'typebox';

/** What signers say about a wallet's keys; part of messages.ts. */
const strict = { additionalProperties: false } as const;
const hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });
const Network = Type.String({ maxLength: 64 });

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
export const DkgSession = Type.Object({ network: Network, session: hex(16), epoch: Type.Optional(Epoch) }, strict);

/** The steps of a key generation, in order; signer/src/keys/key-generation.ts says what each guarantees. */
export const DkgStep = Type.Union([
  Type.Literal('start'),
  Type.Literal('collect'),
  Type.Literal('verify'),
  Type.Literal('hold'),
  Type.Literal('confirm'),
]);
export type DkgStep = Static<typeof DkgStep>;
