import { formatId } from '@holdfast/core/contract/ids.ts';
import { type Page, type PageQuery, pageOf } from '@holdfast/core/contract/page.ts';
import type { FeeScheduleResource } from '@holdfast/core/contract/fee-resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import type { Sql } from './database.ts';
import { type FeeSchedule, scheduleColumns, scheduleOf, type ScheduleRow } from './fee-schedules.ts';
import { readPage } from './read-page.ts';

export function scheduleResource(schedule: FeeSchedule): FeeScheduleResource {
  return {
    object: 'fee_schedule',
    id: formatId('fsc', schedule.id),
    network: schedule.network,
    asset: schedule.asset,
    version: schedule.version,
    valid_from: formatTime(BigInt(schedule.validFromMs)),
    fee_flat: String(schedule.feeFlat),
    fee_per_mille: schedule.feePerMille,
    network_share_per_mille: schedule.networkSharePerMille,
    network_fee_rate_max: schedule.networkFeeRateMax === null ? null : String(schedule.networkFeeRateMax),
    withdrawal_minimum: String(schedule.withdrawalMinimum),
    deposit_minimum: String(schedule.depositMinimum),
    precision: schedule.precision,
    client_reference: schedule.clientReference,
    created_by: schedule.createdBy,
    reason: schedule.reason,
    created_at: formatTime(BigInt(schedule.createdAtMs)),
  };
}

/** Versions, newest first, also those whose time has not come. */
export async function listFeeSchedules(
  sql: Sql,
  filter: { network?: string | undefined; asset?: string | undefined },
  query: PageQuery,
): Promise<Page<FeeScheduleResource>> {
  const rows = await readPage<ScheduleRow>(
    sql,
    `select ${scheduleColumns} from fee_schedule s`,
    's.id',
    [
      ['s.network = ?', filter.network],
      ['s.asset = ?', filter.asset],
    ],
    query,
  );
  return pageOf(
    rows,
    query.limit,
    (row) => row.id,
    (row) => scheduleResource(scheduleOf(row)),
  );
}
