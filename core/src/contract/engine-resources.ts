import Type, { type Static } from 'typebox';
import { KeySignature } from '../signing/evidence.ts';
import { EngineStatement, ReservationRelease } from '../signing/engine.ts';

/** The API between Holdfast and an engine that owns the balances. Amounts are base-unit strings. */
const strict = { additionalProperties: false } as const;
const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Signed = Type.String({ description: 'Base units, signed' });

export const EngineEntryResource = Type.Object({
  object: Type.Literal('engine_entry'),
  /** 1, 2, 3, ... without a gap. */
  seq: Type.Integer(),
  /** `other`: whatever else moved a balance; the changes count all the same. */
  kind: Type.Union([
    Type.Literal('credit'),
    Type.Literal('uncredit'),
    Type.Literal('reserve'),
    Type.Literal('commit'),
    Type.Literal('uncommit'),
    Type.Literal('release'),
    Type.Literal('settlement'),
    Type.Literal('other'),
  ]),
  asset: Type.String(),
  /** What it does to customers: to be applied as it stands, once. */
  changes: Type.Array(
    Type.Object({
      customer: Type.String(),
      part: Type.Union([Type.Literal('available'), Type.Literal('held'), Type.Literal('owed')]),
      amount: Signed,
    }),
  ),
  deposit: Nullable(Type.String()),
  withdrawal: Nullable(Type.String()),
  /** The engine's own name of what it set aside for the withdrawal. */
  reservation: Nullable(Type.String()),
  occurred_at: Type.String({ format: 'date-time' }),
});
export type EngineEntryResource = Static<typeof EngineEntryResource>;

export const CreateEngineStatementBody = Type.Object({ record: EngineStatement, authorization: KeySignature }, strict);
export type CreateEngineStatementBody = Static<typeof CreateEngineStatementBody>;

export const ReleaseReservationBody = Type.Object({ record: ReservationRelease, authorization: KeySignature }, strict);
export type ReleaseReservationBody = Static<typeof ReleaseReservationBody>;

/** `released`: no withdrawal has it or ever will. `taken`: a withdrawal has it, and an entry will say how it ended. */
export const ReservationResource = Type.Object({
  object: Type.Literal('reservation'),
  reservation: Type.String(),
  state: Type.Union([Type.Literal('released'), Type.Literal('taken')]),
  withdrawal: Nullable(Type.String()),
});
export type ReservationResource = Static<typeof ReservationResource>;

/** Engine, ledger and chain, one row an asset. */
export const EngineReconciliationResource = Type.Object({
  object: Type.Literal('engine_reconciliation'),
  balanced: Type.Boolean(),
  engine: Type.String(),
  /** Of the newest statement; null before the first. */
  sequence: Nullable(Type.Integer()),
  /** Last entry there is. */
  latest: Type.Integer(),
  received_at: Nullable(Type.String({ format: 'date-time' })),
  rows: Type.Array(
    Type.Object({
      asset: Type.String(),
      engine_owes: Signed,
      /** At the statement's entry. */
      ledger_owes: Signed,
      engine_difference: Signed,
      /** What the ledger says that our wallets hold now, over all networks. */
      ledger_holds: Signed,
      chain_holds: Signed,
      chain_difference: Signed,
    }),
  ),
});
export type EngineReconciliationResource = Static<typeof EngineReconciliationResource>;
