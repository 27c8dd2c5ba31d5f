import Type, { type Static, type TSchema } from 'typebox';
import { AuthorizedIntent } from './intent.ts';

/**
 * Everything a signer hears and answers, one table. POST, JSON, mutual TLS 1.3, body at most 1 MiB; unknown properties
 * are refused. The server calls `/v1/...`; only peers pinned as signers call `/v1/mesh/...`. Errors are problem+json
 * with a code of contract/error-codes.ts.
 */
const strict = { additionalProperties: false } as const;
const hex = (bytes: number) => Type.String({ pattern: `^[0-9a-f]{${bytes * 2}}$` });
const Decimal = Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$' });
const Network = Type.String({ maxLength: 64 });
const EvmAddress = Type.String({ pattern: '^0x[0-9a-fA-F]{40}$' });
const EvmBytes = Type.String({ pattern: '^0x([0-9a-f]{2})*$', maxLength: 600_000 });

export const bodyBytesMax = 1_048_576;
/** Payouts of one transaction; bounds a signer's work a message. */
export const intentsMax = 200;
export const inputsMax = 200;

const Empty = Type.Object({}, strict);

export const SignerStatus = Type.Object(
  {
    signer: Type.String(),
    /** New at every start: a changed boot id means that signing sessions are gone. */
    boot_id: Type.String(),
    build: Type.String(),
    journal: Type.Object({ seq: Type.Integer(), hash: hex(32) }, strict),
    /** Owner of the Safe, EIP-55. */
    owner_address: EvmAddress,
    /** One a Bitcoin-family network whose key generation has finished. */
    frost_wallets: Type.Array(
      Type.Object(
        {
          network: Network,
          epoch: Type.Integer(),
          group_key: hex(33),
          chain_code: hex(32),
          /** Public package of the key, for the aggregation of shares: polynomial commitments and verifying shares. */
          commitments: Type.Array(hex(33)),
          verifying_shares: Type.Array(Type.Object({ identifier: hex(32), point: hex(33) }, strict)),
        },
        strict,
      ),
    ),
    peers_reachable: Type.Integer(),
  },
  strict,
);
export type SignerStatus = Static<typeof SignerStatus>;

/** A Safe transaction without signatures; the refund fields must be zero and are not sent. */
export const SafeTransaction = Type.Object(
  {
    to: EvmAddress,
    value: Decimal,
    data: EvmBytes,
    /** 0 call, 1 delegatecall. */
    operation: Type.Union([Type.Literal(0), Type.Literal(1)]),
    nonce: Decimal,
  },
  strict,
);
export type SafeTransaction = Static<typeof SafeTransaction>;

export const SignEvmRequest = Type.Object(
  {
    network: Network,
    safe_transaction: SafeTransaction,
    intents: Type.Array(AuthorizedIntent, { minItems: 1, maxItems: intentsMax }),
  },
  strict,
);
export type SignEvmRequest = Static<typeof SignEvmRequest>;

export const SignBitcoinRequest = Type.Object(
  {
    network: Network,
    /** The unsigned transaction, consensus encoding without witnesses. */
    raw_tx: Type.String({ pattern: '^([0-9a-f]{2})+$', maxLength: 400_000 }),
    /** Derivation path of each input's coin below the group key: [branch, index]; branch 0 deposits, 1 change. */
    input_paths: Type.Array(
      Type.Tuple([Type.Integer({ minimum: 0, maximum: 1 }), Type.Integer({ minimum: 0, maximum: 0x7fffffff })]),
      { minItems: 1, maxItems: inputsMax },
    ),
    /** Outputs that are own change, with their index on branch 1. */
    change: Type.Array(
      Type.Object(
        { output: Type.Integer({ minimum: 0 }), index: Type.Integer({ minimum: 0, maximum: 0x7fffffff }) },
        strict,
      ),
      { maxItems: 4 },
    ),
    intents: Type.Array(AuthorizedIntent, { minItems: 1, maxItems: intentsMax }),
  },
  strict,
);
export type SignBitcoinRequest = Static<typeof SignBitcoinRequest>;

/** Public nonce commitments of one signer for one input, RFC 9591 section 5.1; points as 33 compressed bytes. */
export const NonceCommitment = Type.Object({ identifier: hex(32), hiding: hex(33), binding: hex(33) }, strict);
export type NonceCommitment = Static<typeof NonceCommitment>;

export const signerMessages = {
  '/v1/status': { request: Empty, response: SignerStatus },
  '/v1/address': {
    request: Type.Object(
      {
        network: Network,
        customer: Type.String({ pattern: '^cus_[0-9a-f-]{36}$' }),
        index: Type.Integer({ minimum: 0, maximum: 0x7fffffff }),
      },
      strict,
    ),
    response: Type.Object({ address: Type.String() }, strict),
  },
  '/v1/sign/evm': {
    request: SignEvmRequest,
    /** 65 bytes r s v, v 27 or 28, over the EIP-712 hash of the Safe transaction. */
    response: Type.Object({ owner: EvmAddress, safe_tx_hash: hex(32), signature: hex(65) }, strict),
  },
  '/v1/sign/bitcoin/commit': {
    request: SignBitcoinRequest,
    response: Type.Object(
      { session: Type.String({ maxLength: 64 }), commitments: Type.Array(NonceCommitment) },
      strict,
    ),
  },
  '/v1/sign/bitcoin/share': {
    request: Type.Object(
      {
        session: Type.String({ maxLength: 64 }),
        commitments: Type.Array(Type.Array(NonceCommitment, { minItems: 2, maxItems: 9 }), {
          minItems: 1,
          maxItems: inputsMax,
        }),
      },
      strict,
    ),
    /** One signature share an input, 32-byte scalars, RFC 9591 section 5.2. */
    response: Type.Object({ shares: Type.Array(hex(32)) }, strict),
  },
} as const satisfies Record<string, { request: TSchema; response: TSchema }>;

export type SignerPath = keyof typeof signerMessages;
export type SignerRequest<P extends SignerPath> = Static<(typeof signerMessages)[P]['request']>;
export type SignerResponse<P extends SignerPath> = Static<(typeof signerMessages)[P]['response']>;

const DkgSession = Type.Object({ network: Network, session: hex(16) }, strict);

/** The steps of a key generation, in order; signer/src/keys/key-generation.ts says what each guarantees. */
export const DkgStep = Type.Union([
  Type.Literal('start'),
  Type.Literal('collect'),
  Type.Literal('verify'),
  Type.Literal('hold'),
  Type.Literal('confirm'),
]);
export type DkgStep = Static<typeof DkgStep>;

/** What signers say to each other, without the server in between. Only a peer's pinned certificate may call. */
export const meshMessages = {
  '/v1/mesh/hello': {
    request: Empty,
    response: Type.Object({ signer: Type.String(), boot_id: Type.String() }, strict),
  },
  /** From the peer with the lowest identifier only: do this step of the session. */
  '/v1/mesh/dkg/step': {
    request: Type.Object({ network: Network, session: hex(16), step: DkgStep }, strict),
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
  /** The hash of all that is common of the key that this signer has on disk from the session, and the session whose key it has chosen for good. */
  '/v1/mesh/dkg/key': {
    request: DkgSession,
    response: Type.Object(
      { key_hash: Type.Union([hex(32), Type.Null()]), chosen: Type.Union([hex(16), Type.Null()]) },
      strict,
    ),
  },
} as const satisfies Record<string, { request: TSchema; response: TSchema }>;

export type MeshPath = keyof typeof meshMessages;
export type MeshRequest<P extends MeshPath> = Static<(typeof meshMessages)[P]['request']>;
export type MeshResponse<P extends MeshPath> = Static<(typeof meshMessages)[P]['response']>;
