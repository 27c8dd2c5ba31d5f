import type { FeeTerms } from '@holdfast/core/withdrawals/fee-terms.ts';
import type { Sql } from './database.ts';

/** One version as it stands in the database; versions never change. */
export interface FeeSchedule extends FeeTerms {
  /** UUID. */
  readonly id: string;
  readonly network: string;
  readonly asset: string;
  readonly validFromMs: number;
  readonly clientReference: string;
  /** Key id of whoever asked for it. */
  readonly createdBy: string;
  readonly reason: string;
  readonly createdAtMs: number;
}

export interface ScheduleRow {
  readonly id: string;
  readonly network: string;
  readonly asset: string;
  readonly version: number;
  readonly valid_from_ms: bigint;
  readonly fee_flat: bigint;
  readonly fee_per_mille: number;
  readonly network_share_per_mille: number;
  readonly network_fee_rate_max: bigint | null;
  readonly withdrawal_minimum: bigint;
  readonly deposit_minimum: bigint;
  readonly precision_places: number;
  readonly client_reference: string;
  readonly created_by: string;
  readonly reason: string;
  readonly created_at_ms: bigint;
}

export const scheduleColumns = `s.id, s.network, s.asset, s.version, s.valid_from_ms, s.fee_flat, s.fee_per_mille, s.network_share_per_mille,
  s.network_fee_rate_max, s.withdrawal_minimum, s.deposit_minimum, s.precision_places, s.client_reference, s.created_by, s.reason, s.created_at_ms`;

export function scheduleOf(row: ScheduleRow): FeeSchedule {
  return {
    id: row.id,
    network: row.network,
    asset: row.asset,
    version: row.version,
    validFromMs: Number(row.valid_from_ms),
    feeFlat: row.fee_flat,
    feePerMille: row.fee_per_mille,
    networkSharePerMille: row.network_share_per_mille,
    networkFeeRateMax: row.network_fee_rate_max,
    withdrawalMinimum: row.withdrawal_minimum,
    depositMinimum: row.deposit_minimum,
    precision: row.precision_places,
    clientReference: row.client_reference,
    createdBy: row.created_by,
    reason: row.reason,
    createdAtMs: Number(row.created_at_ms),
  };
}

/** The version that counts at a time, of each asset of a network, by asset: of those whose time has come the newest. */
export async function schedulesInForce(sql: Sql, network: string, nowMs: number): Promise<Map<string, FeeSchedule>> {
  const rows = await sql.query<ScheduleRow>(
    `select distinct on (s.asset) ${scheduleColumns} from fee_schedule s
      where s.network = $1 and s.valid_from_ms <= $2 order by s.asset, s.version desc`,
    [network, nowMs],
  );
  return new Map(rows.map((row) => [row.asset, scheduleOf(row)]));
}

export async function scheduleById(sql: Sql, id: string): Promise<FeeSchedule | null> {
  const [row] = await sql.query<ScheduleRow>(`select ${scheduleColumns} from fee_schedule s where s.id = $1`, [id]);
  return row ? scheduleOf(row) : null;
}

export async function scheduleByReference(sql: Sql, clientReference: string): Promise<FeeSchedule | null> {
  const [row] = await sql.query<ScheduleRow>(
    `select ${scheduleColumns} from fee_schedule s where s.client_reference = $1`,
    [clientReference],
  );
  return row ? scheduleOf(row) : null;
}

/** The newest version of an asset on a network, in force or not; the caller then holds the pair's lock. */
export async function lockNewestVersion(sql: Sql, network: string, asset: string): Promise<number> {
  await sql.query(`select pg_advisory_xact_lock(hashtextextended('fee_schedule:' || $1 || ':' || $2, 0))`, [
    network,
    asset,
  ]);
  const [row] = await sql.query<{ newest: number | null }>(
    'select max(version) as newest from fee_schedule where network = $1 and asset = $2',
    [network, asset],
  );
  return row?.newest ?? 0;
}

/** @returns false when the client_reference or the version is taken. */
export async function insertSchedule(sql: Sql, schedule: FeeSchedule): Promise<boolean> {
  const rows = await sql.query(
    `insert into fee_schedule (id, network, asset, version, valid_from_ms, fee_flat, fee_per_mille, network_share_per_mille,
                               network_fee_rate_max, withdrawal_minimum, deposit_minimum, precision_places,
                               client_reference, created_by, reason, created_at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) on conflict do nothing returning id`,
    [
      schedule.id,
      schedule.network,
      schedule.asset,
      schedule.version,
      schedule.validFromMs,
      schedule.feeFlat,
      schedule.feePerMille,
      schedule.networkSharePerMille,
      schedule.networkFeeRateMax,
      schedule.withdrawalMinimum,
      schedule.depositMinimum,
      schedule.precision,
      schedule.clientReference,
      schedule.createdBy,
      schedule.reason,
      schedule.createdAtMs,
    ],
  );
  return rows.length > 0;
}
