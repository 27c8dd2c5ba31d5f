import Type, { type Static } from 'typebox';
import { HaltStatement } from '../signing/halt.ts';

/** The API's resources, shared by server, client and CLI. Amounts are base-unit strings, times RFC 3339 UTC. */
const Amount = Type.String({ description: 'Base units as a decimal string', examples: ['12500000'] });
const Time = Type.String({ format: 'date-time' });
const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export const AssetResource = Type.Object({
  object: Type.Literal('asset'),
  code: Type.String(),
  name: Type.String(),
  decimals: Type.Integer(),
  networks: Type.Array(
    Type.Object({
      network: Type.String(),
      caip19: Type.String(),
      contract: Nullable(Type.String()),
      /** Those in force now; `withdrawal_fee` is the flat part. */
      schedule_version: Type.Integer(),
      withdrawal_fee: Amount,
      withdrawal_fee_per_mille: Type.Integer(),
      network_share_per_mille: Type.Integer(),
      withdrawal_minimum: Amount,
      deposit_minimum: Amount,
      precision: Type.Integer(),
    }),
  ),
});
export type AssetResource = Static<typeof AssetResource>;

export const NetworkResource = Type.Object({
  object: Type.Literal('network'),
  id: Type.String({ description: 'CAIP-2' }),
  name: Type.String(),
  family: Type.Union([Type.Literal('evm'), Type.Literal('bitcoin')]),
  height: Nullable(Type.Integer()),
  block_hash: Nullable(Type.String()),
  agree: Type.Integer({ description: 'So many of the endpoints must say the same' }),
  endpoints: Type.Array(
    Type.Object({
      name: Type.String(),
      standing: Type.Union([
        Type.Literal('counted'),
        Type.Literal('ahead'),
        Type.Literal('away'),
        Type.Literal('behind'),
        Type.Literal('set-aside'),
      ]),
      height: Nullable(Type.Integer()),
      detail: Nullable(Type.String({ description: 'Why it does not count' })),
    }),
  ),
  confirmations: Type.Array(
    Type.Object({ below: Nullable(Amount), asset: Type.String(), confirmations: Type.Integer() }),
  ),
});
export type NetworkResource = Static<typeof NetworkResource>;

export const CustomerResource = Type.Object({
  object: Type.Literal('customer'),
  id: Type.String(),
  client_reference: Type.String(),
  created_at: Time,
});
export type CustomerResource = Static<typeof CustomerResource>;

export const BalanceResource = Type.Object({
  object: Type.Literal('balance'),
  customer: Type.String(),
  asset: Type.String(),
  decimals: Type.Integer(),
  available: Amount,
  held: Amount,
  receivable: Amount,
});
export type BalanceResource = Static<typeof BalanceResource>;

export const DepositAddressResource = Type.Object({
  object: Type.Literal('deposit_address'),
  id: Type.String(),
  customer: Type.String(),
  network: Type.String(),
  address: Type.String(),
  index: Type.Integer(),
  state: Type.Union([Type.Literal('active'), Type.Literal('superseded'), Type.Literal('retired')]),
  /** The signers vouch for the address; verify it against pinned keys before showing it (client/verify-deposit-address.ts). */
  attestation: Type.Object({
    epoch: Type.Integer(),
    statements: Type.Array(Type.Object({ signer: Type.String(), signature: Type.String() })),
  }),
  created_at: Time,
});
export type DepositAddressResource = Static<typeof DepositAddressResource>;

export const DepositResource = Type.Object({
  object: Type.Literal('deposit'),
  id: Type.String(),
  customer: Type.String(),
  network: Type.String(),
  asset: Type.String(),
  decimals: Type.Integer(),
  amount: Amount,
  address: Type.String(),
  txid: Type.String(),
  index: Type.String(),
  block_hash: Type.String({ description: 'Of the block that it is in, 64 hex digits' }),
  state: Type.Union([
    Type.Literal('seen'),
    Type.Literal('below_minimum'),
    Type.Literal('credited'),
    Type.Literal('quarantined'),
    Type.Literal('rejected'),
    Type.Literal('kept'),
    Type.Literal('orphaned'),
  ]),
  reason: Nullable(Type.String()),
  confirmations: Type.Integer(),
  confirmations_required: Type.Integer(),
  /** Version of the asset's minimums that it was seen under; null for one of before there were any. */
  schedule_version: Nullable(Type.Integer()),
  seen_at: Time,
  credited_at: Nullable(Time),
});
export type DepositResource = Static<typeof DepositResource>;

/** A payment that no block has. It is in no account; a block makes it a deposit under an id of its own. */
export const UnconfirmedDepositResource = Type.Object({
  object: Type.Literal('unconfirmed_deposit'),
  id: Type.String(),
  customer: Type.String(),
  network: Type.String(),
  asset: Type.String(),
  decimals: Type.Integer(),
  amount: Amount,
  address: Type.String(),
  txid: Type.String(),
  index: Type.String(),
  /** `replaced`: something else spent its coins; `gone`: the nodes forgot it, and it may come back. */
  state: Type.Union([
    Type.Literal('waiting'),
    Type.Literal('confirmed'),
    Type.Literal('replaced'),
    Type.Literal('gone'),
  ]),
  /** The transaction that took its place, where the nodes showed it. */
  replaced_by: Nullable(Type.String()),
  seen_at: Time,
  updated_at: Time,
});
export type UnconfirmedDepositResource = Static<typeof UnconfirmedDepositResource>;

export const RecoverableResource = Type.Object({
  object: Type.Literal('recoverable'),
  id: Type.String(),
  customer: Type.String(),
  network: Type.String(),
  address: Type.String(),
  contract: Type.String(),
  /** Of the last transfer that a block showed; null for one that an operator named. */
  txid: Nullable(Type.String()),
  height: Type.Integer(),
  claimed: Nullable(
    Type.String({ description: 'Base units, by the log of that transfer: the word of whoever made the token' }),
  ),
  held: Nullable(Type.String({ description: 'Base units, by balanceOf at held_height; null until asked' })),
  held_height: Nullable(Type.Integer()),
  created_at: Time,
});
export type RecoverableResource = Static<typeof RecoverableResource>;

export const RescanResource = Type.Object({
  object: Type.Literal('rescan'),
  id: Type.String(),
  network: Type.String(),
  from_height: Type.Integer(),
  next_height: Type.Integer(),
  to_height: Type.Integer(),
  /** Deposits that were missed, and are added now. */
  deposits_found: Type.Integer(),
  /** Blocks that posted more than they say now; an alarm names each. */
  blocks_differing: Type.Integer(),
  created_at: Time,
  finished_at: Nullable(Time),
});
export type RescanResource = Static<typeof RescanResource>;

export const WithdrawalState = Type.Union([
  Type.Literal('awaiting_approval'),
  Type.Literal('queued'),
  Type.Literal('signing'),
  Type.Literal('broadcast'),
  /** Signed, and no node is known to have it: it may be on its way all the same. */
  Type.Literal('uncertain'),
  Type.Literal('included'),
  Type.Literal('settled'),
  Type.Literal('released'),
]);
export type WithdrawalState = Static<typeof WithdrawalState>;

export const WithdrawalResource = Type.Object({
  object: Type.Literal('withdrawal'),
  id: Type.String(),
  client_reference: Type.String(),
  customer: Type.String(),
  network: Type.String(),
  asset: Type.String(),
  decimals: Type.Integer(),
  amount: Amount,
  fee: Amount,
  /** Version of the asset's fees and minimums that it was accepted by; null for one of before there were any. */
  schedule_version: Nullable(Type.Integer()),
  quote: Nullable(Type.String()),
  /** The engine's own name of what it set aside; null where it owns no balances. */
  reservation: Nullable(Type.String()),
  destination: Type.String(),
  memo: Nullable(Type.String()),
  digest: Type.String(),
  state: WithdrawalState,
  /** `customer`: the customer's own passkey; `integrator`: an integrator's key, with tighter limits. */
  authorized_by: Type.Union([Type.Literal('customer'), Type.Literal('integrator')]),
  approvals: Type.Object({ needed: Type.Integer(), given: Type.Integer() }),
  reason: Nullable(Type.String()),
  /** Of one that no block has and that is not ended: since when it is in its state, and why it is not further. Null otherwise. */
  waiting: Nullable(Type.Object({ since: Time, reason: Type.String() })),
  txid: Nullable(Type.String()),
  expires_at: Time,
  created_at: Time,
  updated_at: Time,
});
export type WithdrawalResource = Static<typeof WithdrawalResource>;

/** What one signer has made of something; `pending` while it has not answered. */
const SignerVerdict = Type.Object({
  signer: Type.String(),
  state: Type.Union([Type.Literal('pending'), Type.Literal('accepted'), Type.Literal('refused')]),
  code: Nullable(Type.String()),
  message: Nullable(Type.String()),
  /** When a credential or a destination counts there; null for what counts at once. */
  effective_at: Nullable(Time),
});

export const CustomerRecordResource = Type.Object({
  object: Type.Literal('customer_record'),
  id: Type.String(),
  kind: Type.Union([
    Type.Literal('credential'),
    Type.Literal('destination'),
    Type.Literal('settlement'),
    Type.Literal('adjustment'),
    Type.Literal('release'),
  ]),
  /** Null for a settlement. */
  customer: Nullable(Type.String()),
  digest: Type.String(),
  /** The signed record itself. */
  record: Type.Unknown(),
  signers: Type.Array(SignerVerdict),
  created_at: Time,
});
export type CustomerRecordResource = Static<typeof CustomerRecordResource>;

export const HaltResource = Type.Object({
  object: Type.Literal('halt'),
  digest: Type.String(),
  statement: HaltStatement,
  by: Type.String(),
  /** Signers that hold it, with their own time. */
  signers: Type.Array(Type.Object({ signer: Type.String(), halted_at: Time })),
});
export type HaltResource = Static<typeof HaltResource>;

export const PolicyResource = Type.Object({
  object: Type.Literal('policy'),
  signer: Type.String(),
  version: Nullable(Type.Integer()),
  digest: Nullable(Type.String()),
  pending: Nullable(Type.Object({ version: Type.Integer(), digest: Type.String(), effective_at: Time })),
  problem: Nullable(Type.String()),
});
export type PolicyResource = Static<typeof PolicyResource>;

export const EventResource = Type.Object({
  object: Type.Literal('event'),
  id: Type.String(),
  seq: Type.Integer(),
  type: Type.String(),
  resource: Type.String(),
  resource_id: Type.String(),
  occurred_at: Time,
});
export type EventResource = Static<typeof EventResource>;

export const WebhookEndpointResource = Type.Object({
  object: Type.Literal('webhook_endpoint'),
  id: Type.String(),
  client_reference: Type.String(),
  url: Type.String(),
  event_types: Type.Array(Type.String()),
  state: Type.Union([Type.Literal('enabled'), Type.Literal('disabled')]),
  created_at: Time,
});
export type WebhookEndpointResource = Static<typeof WebhookEndpointResource>;

export const DeliveryResource = Type.Object({
  object: Type.Literal('delivery'),
  id: Type.String(),
  webhook_endpoint: Type.String(),
  event: Type.String(),
  state: Type.Union([Type.Literal('pending'), Type.Literal('delivered'), Type.Literal('failed')]),
  attempts: Type.Integer(),
  last_status: Nullable(Type.Integer()),
  last_error: Nullable(Type.String()),
  next_attempt_at: Time,
  created_at: Time,
  delivered_at: Nullable(Time),
});
export type DeliveryResource = Static<typeof DeliveryResource>;

export const SignerResource = Type.Object({
  object: Type.Literal('signer'),
  id: Type.String(),
  reachable: Type.Boolean(),
  detail: Nullable(Type.String()),
  owner_address: Nullable(Type.String()),
  journal_seq: Nullable(Type.Integer()),
  build: Nullable(Type.String()),
  /** Operations of governance that this signer sees scheduled, and could veto alone. */
  governance: Type.Optional(
    Type.Array(
      Type.Object({
        network: Type.String(),
        operation: Type.String(),
        calls: Type.Array(Type.String()),
        ready_at: Time,
      }),
    ),
  ),
});
export type SignerResource = Static<typeof SignerResource>;

export const ReconciliationRow = Type.Object({
  network: Type.String(),
  asset: Type.String(),
  decimals: Type.Integer(),
  height: Type.Integer(),
  /** Sum of the accounts that mirror the chain: hot, uncollected, relayer, cold. */
  ledger: Amount,
  chain: Amount,
  difference: Type.String({ description: 'ledger minus chain, base units, signed' }),
});
export const ReconciliationResource = Type.Object({
  object: Type.Literal('reconciliation'),
  balanced: Type.Boolean(),
  /** Per asset: debit-normal minus credit-normal balances; 0 by construction and by this check. */
  trial_balance: Type.Array(Type.Object({ asset: Type.String(), difference: Type.String() })),
  rows: Type.Array(ReconciliationRow),
  /** Assets whose token answers no balance of our addresses: nothing is known about them, and they have no row. */
  unread: Type.Array(Type.Object({ network: Type.String(), asset: Type.String() })),
  checked_at: Time,
});
export type ReconciliationResource = Static<typeof ReconciliationResource>;

export const AlarmResource = Type.Object({
  object: Type.Literal('alarm'),
  id: Type.String(),
  code: Type.String(),
  subject: Type.String(),
  message: Type.String(),
  opened_at: Time,
  closed_at: Nullable(Time),
});
export type AlarmResource = Static<typeof AlarmResource>;

export const TransactionResource = Type.Object({
  object: Type.Literal('transaction'),
  id: Type.String(),
  network: Type.String(),
  kind: Type.Union([
    Type.Literal('withdrawal'),
    Type.Literal('sweep'),
    /** From the hot wallet to cold. */
    Type.Literal('skim'),
    Type.Literal('emergency'),
    /** Uses up a nonce of the relayer that kept later ones from being mined. */
    Type.Literal('filler'),
  ]),
  state: Type.String(),
  txid: Nullable(Type.String()),
  fee: Nullable(Amount),
  fee_asset: Type.String(),
  withdrawals: Type.Integer(),
  problem: Nullable(Type.String()),
  created_at: Time,
});
export type TransactionResource = Static<typeof TransactionResource>;
