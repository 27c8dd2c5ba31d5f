import type { CreateFeeScheduleBody, FeeScheduleResource } from '@holdfast/core/contract/fee-resources.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { parseBaseUnits } from '@holdfast/core/money/base-units.ts';
import type { FeeTerms } from '@holdfast/core/withdrawals/fee-terms.ts';
import type { AssetRule } from '../config.ts';
import type { Context } from '../context.ts';
import type { Sql } from '../store/database.ts';
import { insertEvents } from '../store/events.ts';
import { scheduleResource } from '../store/fee-schedule-resources.ts';
import { type FeeSchedule, insertSchedule, lockNewestVersion, scheduleByReference } from '../store/fee-schedules.ts';

/**
 * Adds a version of an asset's fees and minimums on a network. It counts from `valid_from` on, over every version of
 * before, also over one that waits for a later time.
 * @param caller key id, for the record.
 * @throws Failure unknown-network, unknown-asset, schedule-invalid, client-reference-taken.
 */
export async function createFeeSchedule(
  ctx: Context,
  body: CreateFeeScheduleBody,
  caller: string,
): Promise<FeeScheduleResource> {
  const { network, asset, rule, decimals } = assetOn(ctx, body.network, body.asset);
  const nowMs = ctx.now();
  const terms = termsOf(body);
  refuseUnsound(terms, { decimals, isNative: rule.contract === null, asset });
  const schedule = await ctx.db.transaction(async (sql) => {
    const newest = await lockNewestVersion(sql, network, asset);
    const earlier = await scheduleByReference(sql, body.client_reference);
    if (earlier) return sameOrTaken(earlier, body, terms);
    const next: FeeSchedule = {
      ...terms,
      id: ctx.newId(),
      network,
      asset,
      version: newest + 1,
      validFromMs: validFrom(body.valid_from, nowMs),
      clientReference: body.client_reference,
      createdBy: caller,
      reason: body.reason,
      createdAtMs: nowMs,
    };
    // Of another asset and committed meanwhile: this one's lock does not keep it out.
    if (!(await insertSchedule(sql, next))) throw taken(body.client_reference);
    await announce(ctx, sql, next.id, nowMs);
    return next;
  });
  return scheduleResource(schedule);
}

/** The first version of every asset, from the configuration; what is there already stays. */
export async function seedFeeSchedules(ctx: Context): Promise<void> {
  const nowMs = ctx.now();
  for (const network of ctx.config.networks) {
    for (const rule of network.assets) {
      const decimals = ctx.config.assets.find(({ code }) => code === rule.asset)?.decimals;
      invariant(decimals !== undefined, `the configuration has ${rule.asset}`);
      const reason = 'first version, from config.json';
      await insertSchedule(ctx.db, {
        id: ctx.newId(),
        network: network.id,
        asset: rule.asset,
        version: 1,
        validFromMs: 0,
        feeFlat: BigInt(rule.withdrawal_fee),
        feePerMille: 0,
        networkSharePerMille: 0,
        networkFeeRateMax: null,
        withdrawalMinimum: BigInt(rule.withdrawal_minimum),
        depositMinimum: BigInt(rule.deposit_minimum ?? '0'),
        precision: decimals,
        clientReference: `config/${network.id}/${rule.asset}`,
        createdBy: 'config',
        reason,
        createdAtMs: nowMs,
      });
    }
  }
}

/** @throws Failure unknown-network, unknown-asset. */
export function assetOn(
  ctx: Pick<Context, 'config'>,
  networkId: string,
  code: string,
): { network: string; asset: string; rule: AssetRule; decimals: number } {
  const network = ctx.config.networks.find(({ id }) => id === networkId);
  if (!network) throw new Failure('unknown-network', `no network ${networkId}`, { pointer: '/network' });
  const rule = network.assets.find(({ asset }) => asset === code);
  const decimals = ctx.config.assets.find((one) => one.code === code)?.decimals;
  if (!rule || decimals === undefined)
    throw new Failure('unknown-asset', `no asset ${code} on ${networkId}`, { pointer: '/asset' });
  return { network: network.id, asset: code, rule, decimals };
}

function termsOf(body: CreateFeeScheduleBody): Omit<FeeTerms, 'version'> {
  return {
    feeFlat: parseBaseUnits(body.fee_flat, '/fee_flat'),
    feePerMille: body.fee_per_mille,
    networkSharePerMille: body.network_share_per_mille,
    networkFeeRateMax: body.network_fee_rate_max === null ? null : BigInt(body.network_fee_rate_max),
    withdrawalMinimum: parseBaseUnits(body.withdrawal_minimum, '/withdrawal_minimum'),
    depositMinimum: parseBaseUnits(body.deposit_minimum, '/deposit_minimum'),
    precision: body.precision,
  };
}

/** Terms that would refuse every withdrawal, or charge a token's customer in another coin. */
function refuseUnsound(
  terms: Omit<FeeTerms, 'version'>,
  { decimals, isNative, asset }: { decimals: number; isNative: boolean; asset: string },
): void {
  const refuse = (pointer: string, message: string): never => {
    throw new Failure('schedule-invalid', message, { pointer });
  };
  if (terms.precision > decimals) refuse('/precision', `${asset} has ${decimals} decimal places`);
  if (terms.networkSharePerMille > 0 && !isNative) {
    refuse(
      '/network_share_per_mille',
      `the network’s fee is not paid in ${asset}, so that no part of it can be charged`,
    );
  }
}

/** @throws Failure schedule-invalid for a time that has passed: what was accepted since then had other terms. */
function validFrom(text: string | undefined, nowMs: number): number {
  if (text === undefined) return nowMs;
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs) || atMs < nowMs) {
    throw new Failure('schedule-invalid', `terms cannot count from ${text} on, which is past or no time`, {
      pointer: '/valid_from',
    });
  }
  return atMs;
}

function sameOrTaken(earlier: FeeSchedule, body: CreateFeeScheduleBody, terms: Omit<FeeTerms, 'version'>): FeeSchedule {
  const isSame =
    earlier.network === body.network &&
    earlier.asset === body.asset &&
    earlier.reason === body.reason &&
    (body.valid_from === undefined || Date.parse(body.valid_from) === earlier.validFromMs) &&
    (Object.keys(terms) as (keyof typeof terms)[]).every((name) => earlier[name] === terms[name]);
  if (!isSame) throw taken(body.client_reference);
  return earlier;
}

const taken = (reference: string): Failure =>
  new Failure('client-reference-taken', `client_reference ${reference} names another fee schedule`, {
    pointer: '/client_reference',
  });

async function announce(ctx: Context, sql: Sql, id: string, nowMs: number): Promise<void> {
  const event = { id: ctx.newId(), type: 'fee_schedule.created', resource: 'fee_schedule', resourceId: id };
  await insertEvents(sql, [event], nowMs);
}
