import Type, { type Static } from 'typebox';

/** Fees of the API: schedules and quotes. Amounts are base-unit strings, times RFC 3339 UTC. */
const strict = { additionalProperties: false } as const;
const Amount = Type.String({ pattern: '^(0|[1-9][0-9]{0,77})$', description: 'Base units as a decimal string' });
const Time = Type.String({ format: 'date-time' });
const ClientReference = Type.String({ pattern: '^[!-~]{1,128}$' });

const terms = {
  fee_flat: Amount,
  fee_per_mille: Type.Integer({ minimum: 0, maximum: 1000, description: 'Thousandths of the amount' }),
  network_share_per_mille: Type.Integer({
    minimum: 0,
    maximum: 10_000,
    description: 'Thousandths of the estimated network fee of one payment; 0 for a token',
  }),
  network_fee_rate_max: Type.Union([Type.Null(), Type.String({ pattern: '^[1-9][0-9]{0,77}$' })], {
    description: 'While the network asks for more (wei a gas, satoshi a virtual byte), payments of the asset wait',
  }),
  withdrawal_minimum: Amount,
  deposit_minimum: Amount,
  precision: Type.Integer({ minimum: 0, maximum: 30, description: 'Decimal places that an amount may have' }),
} as const;

export const CreateFeeScheduleBody = Type.Object(
  {
    client_reference: ClientReference,
    network: Type.String({ maxLength: 64 }),
    asset: Type.String({ maxLength: 16 }),
    ...terms,
    /** Now when left out. */
    valid_from: Type.Optional(Time),
    /** Why, for whoever reads the history. */
    reason: Type.String({ minLength: 1, maxLength: 200 }),
  },
  strict,
);
export type CreateFeeScheduleBody = Static<typeof CreateFeeScheduleBody>;

export const FeeScheduleResource = Type.Object({
  object: Type.Literal('fee_schedule'),
  id: Type.String(),
  network: Type.String(),
  asset: Type.String(),
  version: Type.Integer(),
  valid_from: Time,
  ...terms,
  client_reference: Type.String(),
  created_by: Type.String(),
  reason: Type.String(),
  created_at: Time,
});
export type FeeScheduleResource = Static<typeof FeeScheduleResource>;

const Signed = Type.String({ description: 'Base units, signed' });

export const FeeReportResource = Type.Object({
  object: Type.Literal('fee_report'),
  /** Every sum equals its account of the ledger. */
  balanced: Type.Boolean(),
  rows: Type.Array(
    Type.Object({
      network: Type.String(),
      asset: Type.String(),
      decimals: Type.Integer(),
      /** To customers: settled withdrawals, claims. */
      charged: Amount,
      /** What the chain took, by the ledger, which equals the chain (`reconcile`). */
      paid: Amount,
      /** Of it by our payments, sweeps and pauses in the applied chain. */
      paid_by_transactions: Amount,
      /** The rest: what was mined without effect. */
      paid_otherwise: Signed,
      /** Charged less paid. */
      difference: Signed,
    }),
  ),
  /** Per asset over all networks, against the ledger's account of revenue. */
  revenue: Type.Array(Type.Object({ asset: Type.String(), charged: Amount, ledger: Amount, difference: Signed })),
});
export type FeeReportResource = Static<typeof FeeReportResource>;

export const ClaimDepositsBody = Type.Object(
  {
    client_reference: ClientReference,
    customer: Type.String({ maxLength: 80 }),
    network: Type.String({ maxLength: 64 }),
    asset: Type.String({ maxLength: 16 }),
    /** The most that the customer agrees to pay for the collection, base units of the network's coin. */
    cost_max: Amount,
  },
  strict,
);
export type ClaimDepositsBody = Static<typeof ClaimDepositsBody>;

export const DepositClaimResource = Type.Object({
  object: Type.Literal('deposit_claim'),
  client_reference: Type.String(),
  customer: Type.String(),
  network: Type.String(),
  asset: Type.String(),
  /** Credited. */
  amount: Amount,
  /** Charged, in the network's coin. */
  cost: Amount,
  cost_asset: Type.String(),
  deposits: Type.Array(Type.String()),
  created_at: Time,
});
export type DepositClaimResource = Static<typeof DepositClaimResource>;

export const CreateQuoteBody = Type.Object(
  {
    customer: Type.String({ maxLength: 80 }),
    network: Type.String({ maxLength: 64 }),
    asset: Type.String({ maxLength: 16 }),
    /** What the destination is to receive; or `total`, what may leave the customer's balance, fee included. */
    amount: Type.Optional(Amount),
    total: Type.Optional(Amount),
  },
  strict,
);
export type CreateQuoteBody = Static<typeof CreateQuoteBody>;

export const QuoteResource = Type.Object({
  object: Type.Literal('quote'),
  id: Type.String(),
  customer: Type.String(),
  network: Type.String(),
  asset: Type.String(),
  decimals: Type.Integer(),
  /** What the destination receives: the intent's `amount`. */
  net_amount: Amount,
  fee: Amount,
  /** What leaves the customer's balance. */
  total: Amount,
  schedule_version: Type.Integer(),
  expires_at: Time,
});
export type QuoteResource = Static<typeof QuoteResource>;
