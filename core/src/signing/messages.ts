import Type, { type Static, type TSchema } from 'typebox';
import { SignedPolicy } from '../policy/policy.ts';
import { EmergencyAuthorisation, governanceMax, GovernanceOperation } from './emergency.ts';
import { BuildName } from './named-build.ts';
import { CustomerRecord } from './customer-record.ts';
import { HaltStatement, SignedHalt, SignedResume } from './halt.ts';
import { AuthorizedIntent } from './intent.ts';
import { JournalAsked, JournalPage } from './journal-page.ts';
import { Epoch, keyGenerationMessages, KeyRecord } from './key-messages.ts';
import { Decimal, Empty, EvmAddress, EvmBytes, Head, hex, Network, PolicyName, strict } from './message-parts.ts';

/**
 * Version of everything below and of the journal's records. The signers and the server are replaced one after the other, so
 * what a version says the one before must understand, and the other way round; test/vectors/interface-versions.test.ts
 * holds each version's schemas against its neighbour's. A message or a field changes with a new version: new fields are
 * optional, and are sent from the version after on.
 */
export const interfaceVersion = 1;

export const bodyBytesMax = 1_048_576;
/** Payouts of one transaction; bounds a signer's work a message. */
export const intentsMax = 200;
export const inputsMax = 200;

export const SignerStatus = Type.Object(
  {
    signer: Type.String(),
    /** New at every start: a changed boot id means that signing sessions are gone. */
    boot_id: Type.String(),
    build: BuildName,
    journal: Head,
    /** Owner of the Safe, EIP-55. */
    owner_address: EvmAddress,
    /** The key of every epoch of each Bitcoin-family network, from the first on; the last one pays. */
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
          record: Type.Optional(KeyRecord),
        },
        strict,
      ),
    ),
    peers_reachable: Type.Integer(),
    /** SHA-256 of what the key ceremony fixed. */
    ceremony: hex(32),
    /** Ed25519 key of this signer's statements (addresses, heads, checkpoints); signs no payment. */
    statement_key: hex(32),
    /** The policy in force, and a later version that waits for its delay. */
    policy: PolicyName,
    policy_pending: Type.Union([
      Type.Null(),
      Type.Object({ version: Type.Integer(), digest: hex(32), effective_at_ms: Type.Integer() }, strict),
    ]),
    /** Halts that are not lifted. */
    halts: Type.Array(
      Type.Object({ digest: hex(32), statement: HaltStatement, by: Type.String(), at_ms: Type.Integer() }, strict),
    ),
    /** Pauses that this signer wants relayed: it saw what it halts for on a chain, or a halt that asks for them. */
    emergency: Type.Optional(Type.Array(EmergencyAuthorisation, { maxItems: 64 })),
    /** Operations of the vaults' time locks that this signer sees scheduled, neither executed nor cancelled; newest first. */
    governance: Type.Optional(Type.Array(GovernanceOperation, { maxItems: governanceMax })),
    /** Why it signs nothing at the moment though nobody halted it; null when it would. */
    problem: Type.Union([Type.Null(), Type.String()]),
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
    intents: Type.Array(AuthorizedIntent, { maxItems: intentsMax }),
    /** Everything goes to sealed cold addresses of the policy: there are no intents, and a halt does not stop it. */
    evacuation: Type.Optional(Type.Literal(true)),
    /** Some goes to sealed cold addresses of the policy, by its rule `hot`: there are no intents. */
    skim: Type.Optional(Type.Literal(true)),
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
    intents: Type.Array(AuthorizedIntent, { maxItems: intentsMax }),
    /** Everything goes to sealed cold addresses of the policy: there are no intents, and a halt does not stop it. */
    evacuation: Type.Optional(Type.Literal(true)),
    /** Some goes to sealed cold addresses of the policy, by its rule `hot`, the rest is own change: there are no intents. */
    skim: Type.Optional(Type.Literal(true)),
    /** Of the keys that all inputs are spent by, and a payment's change is kept by; 1 when left out. */
    epoch: Type.Optional(Epoch),
    /** Everything goes to the one output, `change` of this later epoch: there are no intents. */
    sweep: Type.Optional(Epoch),
    /** Many small coins become the one output, `change` of the same keys: there are no intents. */
    consolidation: Type.Optional(Type.Literal(true)),
  },
  strict,
);
export type SignBitcoinRequest = Static<typeof SignBitcoinRequest>;

/** Public nonce commitments of one signer for one input, RFC 9591 section 5.1; points as 33 compressed bytes. */
export const NonceCommitment = Type.Object({ identifier: hex(32), hiding: hex(33), binding: hex(33) }, strict);
export type NonceCommitment = Static<typeof NonceCommitment>;

/** A signing request as the signer that asks for the reservation got it. */
export const SigningRequest = Type.Union([
  Type.Object({ family: Type.Literal('evm'), body: SignEvmRequest }, strict),
  Type.Object({ family: Type.Literal('bitcoin'), body: SignBitcoinRequest }, strict),
]);
export type SigningRequest = Static<typeof SigningRequest>;

/** For a request that a line of a journal names, by the SHA-256 of its RFC 8785 text; null when it is not known. */
const RequestAsked = Type.Object({ hash: hex(32) }, strict);
const RequestAnswer = Type.Object({ request: Type.Union([Type.Null(), SigningRequest]) }, strict);

/**
 * Everything a signer hears and answers, with `meshMessages`. POST, JSON, mutual TLS 1.3, body at most 1 MiB; unknown properties
 * are refused. The server calls `/v1/...`; only peers pinned as signers call `/v1/mesh/...`. Errors are problem+json
 * with a code of contract/error-codes.ts.
 */
export const signerMessages = {
  '/v1/status': { request: Empty, response: SignerStatus },
  '/v1/address': {
    request: Type.Object(
      {
        network: Network,
        customer: Type.String({ pattern: '^cus_[0-9a-f-]{36}$' }),
        index: Type.Integer({ minimum: 0, maximum: 0x7fffffff }),
        /** That the server has derived the address in; 1 when left out. */
        epoch: Type.Optional(Epoch),
        /** The integrator's name of the customer; kept, so that a server whose database was lost can read it here. */
        customer_reference: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
      },
      strict,
    ),
    /** `statement`: Ed25519 by the signer's statement key over `AddressStatement`. */
    response: Type.Object({ address: Type.String(), epoch: Type.Integer(), statement: hex(64) }, strict),
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
  /** For a wallet whose kind is `wsh-sortedmulti`: the whole signature of this signer at once. */
  '/v1/sign/bitcoin/multisig': {
    request: SignBitcoinRequest,
    /** r and s, s low, one an input: ECDSA over the BIP-143 hash with SIGHASH_ALL, by the key. */
    response: Type.Object({ key: hex(33), signatures: Type.Array(hex(64)) }, strict),
  },
  /** What signers must know about customers; each record is judged alone, and a known one is accepted again. */
  '/v1/records': {
    request: Type.Object({ records: Type.Array(CustomerRecord, { minItems: 1, maxItems: 100 }) }, strict),
    response: Type.Object(
      {
        results: Type.Array(
          Type.Union([
            /** `effective_at_ms`: when a credential or a destination counts; 0 for what counts at once. */
            Type.Object({ state: Type.Literal('accepted'), effective_at_ms: Type.Integer() }, strict),
            /** `later`: the same record may pass when it comes again. */
            Type.Object(
              {
                state: Type.Union([Type.Literal('refused'), Type.Literal('later')]),
                code: Type.String(),
                message: Type.String(),
              },
              strict,
            ),
          ]),
        ),
      },
      strict,
    ),
  },
  '/v1/policy': {
    request: SignedPolicy,
    response: Type.Object({ version: Type.Integer(), effective_at_ms: Type.Integer() }, strict),
  },
  '/v1/halt': { request: SignedHalt, response: Type.Object({ digest: hex(32) }, strict) },
  '/v1/resume': { request: SignedResume, response: Empty },
  /** The signer's own journal after a record: what a server whose database was lost is rebuilt from. */
  '/v1/journal': { request: Type.Object({ after: Type.Integer({ minimum: 0 }) }, strict), response: JournalPage },
  /** A request that a line of it names, by the SHA-256 of its RFC 8785 text; null when it is not known. */
  '/v1/request': { request: RequestAsked, response: RequestAnswer },
} as const satisfies Record<string, { request: TSchema; response: TSchema }>;

export type SignerPath = keyof typeof signerMessages;
export type SignerRequest<P extends SignerPath> = Static<(typeof signerMessages)[P]['request']>;
export type SignerResponse<P extends SignerPath> = Static<(typeof signerMessages)[P]['response']>;

/** What a deposit address is, for `statementDigest('address', ...)`: clients verify it against pinned keys. */
export const AddressStatement = Type.Object(
  {
    version: Type.Literal(1),
    network: Network,
    customer: Type.String(),
    address: Type.String(),
    epoch: Type.Integer(),
  },
  strict,
);
export type AddressStatement = Static<typeof AddressStatement>;

/** For `statementDigest('head', ...)`: a peer has seen the signer's journal end here. */
export const HeadStatement = Type.Object({ version: Type.Literal(1), signer: Type.String(), head: Head }, strict);
export type HeadStatement = Static<typeof HeadStatement>;

/** For `statementDigest('signed', ...)`: the signer lets a signature of this transaction out. */
export const SignedStatement = Type.Object(
  { version: Type.Literal(1), signer: Type.String(), network: Network, txid: hex(32), request: hex(32) },
  strict,
);
export type SignedStatement = Static<typeof SignedStatement>;

/** A tree head of the signer's audit log (RFC 6962, 2.1): the journal's first `size` lines, without newlines, are its leaves. */
export const Checkpoint = Type.Object(
  { version: Type.Literal(1), signer: Type.String(), size: Type.Integer({ minimum: 1 }), root: hex(32) },
  strict,
);
export type Checkpoint = Static<typeof Checkpoint>;

const MeshHello = Type.Object(
  {
    signer: Type.String(),
    boot_id: Type.String(),
    build: BuildName,
    /** UTC milliseconds of the sender's clock. */
    now_ms: Type.Integer(),
    ceremony: hex(32),
    policy: PolicyName,
    head: Head,
    /** The highest head of the receiver's journal that the sender has countersigned; null for none. */
    your_head: Type.Union([Head, Type.Null()]),
    halts: Type.Integer(),
  },
  strict,
);
export type MeshHello = Static<typeof MeshHello>;

/** What signers say to each other, without the server in between. Only a peer's pinned certificate may call. */
export const meshMessages = {
  '/v1/mesh/hello': {
    request: MeshHello,
    response: MeshHello,
  },
  /**
   * Before a share leaves: the peer verifies the request's evidence and what it pays, binds the intents to this
   * transaction in its own journal, charges its own limits, and countersigns the caller's head. `txid` is what the caller
   * makes of the request: the peer must come to the same.
   */
  '/v1/mesh/reserve': {
    request: Type.Object({ request: SigningRequest, txid: hex(32), head: Head }, strict),
    /** Ed25519 over `HeadStatement` by the peer's statement key. */
    response: Type.Object({ countersignature: hex(64) }, strict),
  },
  /** The caller has let its signature out; its Ed25519 over `SignedStatement`. */
  '/v1/mesh/signed': {
    request: Type.Object({ statement: SignedStatement, signature: hex(64) }, strict),
    response: Empty,
  },
  /**
   * Requests that the peer has accepted, in the order of its journal, from record `after` on, with who has signed them:
   * how a signer that was away learns what the others did. At most 20 a call.
   */
  '/v1/mesh/transcripts': {
    request: Type.Object({ after: Type.Integer({ minimum: 0 }) }, strict),
    response: Type.Object(
      {
        transcripts: Type.Array(
          Type.Object(
            {
              seq: Type.Integer(),
              request: SigningRequest,
              txid: hex(32),
              signed: Type.Array(Type.Object({ statement: SignedStatement, signature: hex(64) }, strict)),
            },
            strict,
          ),
        ),
        /** The peer's last record that was looked at; ask again after it. */
        next: Type.Integer(),
        done: Type.Boolean(),
      },
      strict,
    ),
  },
  '/v1/mesh/journal': { request: JournalAsked, response: JournalPage },
  '/v1/mesh/request': { request: RequestAsked, response: RequestAnswer },
  /** The caller's halt, or one that it got with evidence. */
  '/v1/mesh/halt': {
    request: Type.Union([SignedHalt, Type.Object({ statement: HaltStatement }, strict)]),
    response: Empty,
  },
  '/v1/mesh/resume': { request: SignedResume, response: Empty },
  '/v1/mesh/policy': { request: SignedPolicy, response: Empty },
  /** Cosigns the caller's tree head: `proof` is the consistency proof from the last size that this peer cosigned (0 at first). */
  '/v1/mesh/checkpoint': {
    request: Type.Object(
      {
        checkpoint: Checkpoint,
        signature: hex(64),
        from: Type.Integer({ minimum: 0 }),
        proof: Type.Array(hex(32), { maxItems: 128 }),
      },
      strict,
    ),
    /** The peer's Ed25519 over the checkpoint; or the size that it cosigned last, to prove from. */
    response: Type.Union([
      Type.Object({ cosignature: hex(64) }, strict),
      Type.Object({ last_size: Type.Integer() }, strict),
    ]),
  },
  ...keyGenerationMessages,
} as const satisfies Record<string, { request: TSchema; response: TSchema }>;

export type MeshPath = keyof typeof meshMessages;
export type MeshRequest<P extends MeshPath> = Static<(typeof meshMessages)[P]['request']>;
export type MeshResponse<P extends MeshPath> = Static<(typeof meshMessages)[P]['response']>;
