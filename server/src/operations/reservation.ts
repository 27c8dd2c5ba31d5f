import type { CreateWithdrawalBody } from '@holdfast/core/contract/bodies.ts';
import type { ReleaseReservationBody, ReservationResource } from '@holdfast/core/contract/engine-resources.ts';
import { formatId } from '@holdfast/core/contract/ids.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { AcceptedWithdrawal } from '@holdfast/core/withdrawals/decide-withdrawal.ts';
import type { Context } from '../context.ts';
import type { Sql } from '../store/database.ts';
import { isReleased, keepRelease, lockReservation, takerOf } from '../store/reservations.ts';
import { engineOf, verifyEngine } from './engine-key.ts';

const pointer = '/reservation';

/**
 * Holds a request against the mode: where an engine owns the balances, a withdrawal comes with what the engine has set aside for it, signed.
 * @param digest of the intent.
 * @returns the engine's name of the reservation; null in mode `ledger`.
 * @throws Failure reservation-missing, engine-missing, authorization-invalid, reservation-differs.
 */
export function checkReservation(ctx: Context, body: CreateWithdrawalBody, digest: string): string | null {
  const { reservation, intent } = body;
  if (ctx.config.mode !== 'custodian') {
    if (reservation) engineOf(ctx);
    return null;
  }
  if (!reservation) {
    throw new Failure('reservation-missing', 'the engine has set nothing aside for this withdrawal', { pointer });
  }
  verifyEngine(ctx, reservation, pointer);
  if (reservation.record.digest !== digest || reservation.record.customer !== intent.customer) {
    throw new Failure('reservation-differs', 'the reservation is for another intent or customer', { pointer });
  }
  return reservation.record.reservation;
}

/**
 * Takes a reservation for a withdrawal that is about to be accepted, in its transaction.
 * @throws Failure reservation-released, reservation-differs when it is too small, of another asset or another withdrawal's.
 */
export async function takeReservation(
  sql: Sql,
  { reservation }: CreateWithdrawalBody,
  accepted: AcceptedWithdrawal,
): Promise<void> {
  if (!reservation) return;
  const { reservation: name, asset, amount } = reservation.record;
  await lockReservation(sql, name);
  if (await isReleased(sql, name)) {
    throw new Failure('reservation-released', `the engine has given reservation ${name} up`, { pointer });
  }
  const taker = await takerOf(sql, name);
  if (taker !== null) {
    throw new Failure('reservation-differs', `withdrawal ${formatId('wd', taker)} has reservation ${name}`, {
      pointer,
    });
  }
  if (asset !== accepted.asset || BigInt(amount) < accepted.amount + accepted.fee) {
    throw new Failure(
      'reservation-differs',
      `the engine has set ${amount} ${asset} aside, the withdrawal takes ${accepted.amount + accepted.fee} ${accepted.asset}`,
      { pointer },
    );
  }
}

/**
 * The engine gives a reservation up. Unless a withdrawal has it, none ever will: a request that is still on its way comes too
 * late, so the engine may let its customer have the money again. The same call again has the same answer.
 * @throws Failure engine-missing, authorization-invalid.
 */
export async function releaseReservation(ctx: Context, body: ReleaseReservationBody): Promise<ReservationResource> {
  verifyEngine(ctx, body, '/authorization');
  const { reservation } = body.record;
  const taker = await ctx.db.transaction(async (sql) => {
    await lockReservation(sql, reservation);
    const found = await takerOf(sql, reservation);
    if (found === null) await keepRelease(sql, body, ctx.now());
    return found;
  });
  return {
    object: 'reservation',
    reservation,
    state: taker === null ? 'released' : 'taken',
    withdrawal: taker === null ? null : formatId('wd', taker),
  };
}
