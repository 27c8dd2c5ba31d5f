import Type, { type Static } from 'typebox';
import { KeySignature } from './evidence.ts';
import { statementDigest } from './statement.ts';

/** What the exchange's engine signs when it owns the balances (mode `custodian`), beside settlements (customer-record.ts). */
const strict = { additionalProperties: false } as const;
const Engine = Type.String({ minLength: 1, maxLength: 64, description: 'Key id of the engine' });
const AssetCode = Type.String({ pattern: '^[A-Z0-9]{2,16}$' });
const Reservation = Type.String({ pattern: '^[!-~]{1,128}$', description: 'The engine’s own name, used once' });

/** So much of a customer's balance is set aside at the engine for one withdrawal and its fee. */
export const ReservationRecord = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Literal('reservation'),
    engine: Engine,
    reservation: Reservation,
    customer: Type.String({ pattern: '^cus_[0-9a-f-]{36}$' }),
    asset: AssetCode,
    /** Base units; the withdrawal's amount and fee may take less. */
    amount: Type.String({ pattern: '^[1-9][0-9]{0,77}$' }),
    /** Of the intent that it is for. */
    digest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  },
  strict,
);
export type ReservationRecord = Static<typeof ReservationRecord>;
export const SignedReservation = Type.Object({ record: ReservationRecord, authorization: KeySignature }, strict);
export type SignedReservation = Static<typeof SignedReservation>;

/** The engine gives a reservation up: no withdrawal may take it from now on. */
export const ReservationRelease = Type.Object(
  { version: Type.Literal(1), kind: Type.Literal('reservation-release'), engine: Engine, reservation: Reservation },
  strict,
);
export type ReservationRelease = Static<typeof ReservationRelease>;

/** What the engine owes its customers when it has applied the entries up to `sequence`. */
export const EngineStatement = Type.Object(
  {
    version: Type.Literal(1),
    kind: Type.Literal('engine-statement'),
    engine: Engine,
    /** Seq of the last entry applied; 0 for none. */
    sequence: Type.Integer({ minimum: 0 }),
    /** All customers together, what is set aside included and what customers owe taken off; base units, signed. An asset left out is 0. */
    totals: Type.Array(
      Type.Object({ asset: AssetCode, liability: Type.String({ pattern: '^(0|-?[1-9][0-9]{0,77})$' }) }, strict),
      { maxItems: 1_000 },
    ),
  },
  strict,
);
export type EngineStatement = Static<typeof EngineStatement>;

/** What the engine signs of a record, 32 bytes. */
export function engineDigest(record: ReservationRecord | ReservationRelease | EngineStatement): Uint8Array {
  return statementDigest(record.kind, record);
}
