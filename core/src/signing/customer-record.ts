import Type, { type Static } from 'typebox';
import { Assertion, Authorization, CredentialId, CredentialKey, KeySignature } from './evidence.ts';

/**
 * What signers are told about customers. Nothing of it is believed: a credential, a destination and a settlement carry a
 * signature, an adjustment and a release approvals, and a deposit is looked for on the signer's own nodes.
 */
const strict = { additionalProperties: false } as const;
const Customer = Type.String({ pattern: '^cus_[0-9a-f-]{36}$' });
const Network = Type.String({ minLength: 1, maxLength: 64 });
const Nonce = Type.String({ pattern: '^[0-9a-zA-Z_-]{8,64}$' });
const Action = Type.Union([Type.Literal('add'), Type.Literal('remove')]);
const AssetCode = Type.String({ pattern: '^[A-Z0-9]{2,16}$' });
const SignedAmount = Type.String({ pattern: '^-?[1-9][0-9]{0,77}$' });

/** A passkey of a customer is added or removed; takes effect after the policy's delay. */
export const CredentialRecord = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Literal('credential'),
    action: Action,
    customer: Customer,
    credential_id: CredentialId,
    public_key: CredentialKey,
    nonce: Nonce,
  },
  strict,
);
export type CredentialRecord = Static<typeof CredentialRecord>;

/** An entry of a customer's address book is added or removed; an added one matures after the policy's delay. */
export const DestinationRecord = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Literal('destination'),
    action: Action,
    customer: Customer,
    network: Network,
    address: Type.String({ minLength: 1, maxLength: 128 }),
    nonce: Nonce,
  },
  strict,
);
export type DestinationRecord = Static<typeof DestinationRecord>;

/** Trades since the batch before, by customer and asset code; zero-sum per asset. */
export const SettlementRecord = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Literal('settlement'),
    /** Key id of the engine that signs it: two engines' batches never have one digest. */
    engine: Type.String({ minLength: 1, maxLength: 64 }),
    /** 1, 2, 3, ... without a gap for each engine key. */
    sequence: Type.Integer({ minimum: 1 }),
    entries: Type.Array(Type.Object({ customer: Customer, asset: AssetCode, amount: SignedAmount }, strict), {
      minItems: 2,
      maxItems: 1_000,
    }),
  },
  strict,
);
export type SettlementRecord = Static<typeof SettlementRecord>;

/** A customer's position is corrected with approvers' consent: compensation, release, a proof that nodes no longer give. */
export const AdjustmentRecord = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Literal('adjustment'),
    customer: Customer,
    asset: AssetCode,
    amount: SignedAmount,
    reason: Type.String({ minLength: 1, maxLength: 200 }),
    nonce: Nonce,
  },
  strict,
);
export type AdjustmentRecord = Static<typeof AdjustmentRecord>;

/**
 * What approvers decide about a deposit in quarantine: the customer gets it, or the house keeps it. The signers' nodes do
 * not prove such a deposit, so it counts towards a position by this consent alone, and once.
 */
export const ReleaseRecord = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Literal('release'),
    decision: Type.Union([Type.Literal('credit'), Type.Literal('keep')]),
    customer: Customer,
    network: Network,
    asset: AssetCode,
    amount: Type.String({ pattern: '^[1-9][0-9]{0,77}$' }),
    address: Type.String({ minLength: 1, maxLength: 128 }),
    /** Where on the chain it is, as the deposit says. */
    txid: Type.String({ minLength: 1, maxLength: 66 }),
    index: Type.String({ minLength: 1, maxLength: 128 }),
    /** Of the block that it is in, lower-case hex without 0x: what the signers' nodes prove of that block is not counted beside it. */
    block_hash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    reason: Type.String({ minLength: 1, maxLength: 200 }),
    nonce: Nonce,
  },
  strict,
);
export type ReleaseRecord = Static<typeof ReleaseRecord>;

/** Where to look for a deposit; the signer finds its amount itself. */
export const DepositClaim = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Literal('deposit'),
    network: Network,
    customer: Customer,
    /** Derivation index of the deposit address. */
    index: Type.Integer({ minimum: 0, maximum: 0x7fffffff }),
    address: Type.String({ minLength: 1, maxLength: 128 }),
    /** CAIP-19. */
    asset: Type.String({ minLength: 1, maxLength: 160 }),
    block_height: Type.Integer({ minimum: 0 }),
    /** Lower-case hex without 0x. */
    block_hash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    /** Bitcoin family: the output. Elsewhere null: all that the address received in the block counts once. */
    outpoint: Type.Union([
      Type.Null(),
      Type.Object(
        { txid: Type.String({ pattern: '^[0-9a-f]{64}$' }), vout: Type.Integer({ minimum: 0, maximum: 0xffff }) },
        strict,
      ),
    ]),
  },
  strict,
);
export type DepositClaim = Static<typeof DepositClaim>;

/** A record with its evidence, as the server hands it to every signer. */
export const CustomerRecord = Type.Union([
  Type.Object({ record: CredentialRecord, authorization: Authorization }, strict),
  Type.Object({ record: DestinationRecord, authorization: Authorization }, strict),
  Type.Object({ record: SettlementRecord, authorization: KeySignature }, strict),
  Type.Object({ record: AdjustmentRecord, approvals: Type.Array(Assertion, { minItems: 1, maxItems: 16 }) }, strict),
  Type.Object({ record: ReleaseRecord, approvals: Type.Array(Assertion, { minItems: 1, maxItems: 16 }) }, strict),
  Type.Object({ record: DepositClaim }, strict),
]);
export type CustomerRecord = Static<typeof CustomerRecord>;
