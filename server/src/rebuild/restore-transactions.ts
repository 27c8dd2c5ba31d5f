import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { type AuthorizedIntent, intentDigestHex } from '@holdfast/core/signing/intent.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { insertTransaction } from '../store/chain-transactions.ts';
import type { Sql } from '../store/database.ts';
import { giveToTransaction, markOffered, ownByRef, restoreAttempt } from '../store/rebuild.ts';
import { insertApprovals } from '../store/withdrawal-approvals.ts';
import { isReleased, lockReservation, takerOf } from '../store/reservations.ts';
import {
  insertWithdrawal,
  type WithdrawalRow,
  withdrawalByDigest,
  withdrawalByReference,
} from '../store/withdrawals.ts';
import type { LostTransaction } from './find-lost.ts';
import type { RebuildReport } from './report.ts';

/** A withdrawal that a block shows paid is not given to another transaction. */
const paid: ReadonlySet<WithdrawalRow['state']> = new Set(['included', 'settled']);

/**
 * Puts back every transaction that a signer has accepted, in the order in which they were, with the withdrawals that it
 * pays: whatever is built for one of them from here on conflicts with it, and the blocks show which was mined. What is held
 * for them is posted later, when the blocks have brought the deposits that it was held of.
 */
export async function restoreTransactions(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  transactions: readonly LostTransaction[],
  report: RebuildReport,
): Promise<void> {
  for (const lost of transactions) {
    const network = networks.get(lost.network);
    if (!network) continue;
    try {
      await ctx.db.transaction(async (sql) => restoreTransaction(ctx, sql, network, lost, report));
      report.restored.transactions += 1;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      report.notes.push(`transaction ${lost.txid} of ${lost.network}: ${error.code}: ${error.message}`);
    }
  }
}

async function restoreTransaction(
  ctx: Context,
  sql: Sql,
  network: Network,
  { ref, request: { body }, atMs }: LostTransaction,
  report: RebuildReport,
): Promise<void> {
  if (await ownByRef(sql, network.id, ref)) return;
  if (!network.rebuild) throw new Failure('config-invalid', `${network.id} cannot be rebuilt`);
  const { unsigned, conflictKeys, refs } = network.rebuild.plan(body);
  // The journal names the bytes by what they are: what names itself otherwise is not what was accepted.
  if (!refs.includes(ref)) throw new Failure('transaction-malformed', `the request makes ${refs.join(', ')}`);
  await network.rebuild.watch(sql, body);
  const id = ctx.newId();
  const ownKind = body.skim === true ? 'skim' : 'sweep';
  const kind = body.intents.length === 0 ? ownKind : 'withdrawal';
  await insertTransaction(sql, { id, network: network.id, kind, unsigned, conflictKeys, refs }, atMs);
  await markOffered(sql, id);
  for (const one of body.intents) {
    const digest = intentDigestHex(one.intent);
    const row = (await withdrawalByDigest(sql, digest)) ?? (await restoreWithdrawal(sql, network, one, atMs, report));
    await restoreAttempt(sql, row.id, id);
    if (!paid.has(row.state)) await giveToTransaction(sql, row.id, id, atMs);
    if (row.state === 'released')
      report.notes.push(`${formatId('wd', row.id)} had been given back here; a transaction may pay it or has paid it`);
  }
}

async function restoreWithdrawal(
  sql: Sql,
  network: Network,
  one: AuthorizedIntent,
  atMs: number,
  report: RebuildReport,
): Promise<WithdrawalRow> {
  const { intent, authorization, approvals, booked } = one;
  const digest = intentDigestHex(intent);
  if (!booked)
    throw new Failure(
      'not-found',
      `no signer was told how intent ${digest} was booked: it was asked by an earlier version`,
    );
  const rule = network.config.assets.find(({ caip19 }) => caip19 === intent.asset);
  if (!rule) throw new Failure('unknown-asset', `${network.id} lists no ${intent.asset}`);
  const isTaken = (await withdrawalByReference(sql, booked.client_reference)) !== null;
  if (isTaken) report.notes.push(`${booked.withdrawal} is called lost:${digest}: ${booked.client_reference} is taken`);
  const reservation = await reservationOf(sql, booked, report);
  const inserted = await insertWithdrawal(sql, {
    reservation,
    id: parseId('wd', booked.withdrawal),
    customer_id: parseId('cus', intent.customer),
    client_reference: isTaken ? `lost:${digest}` : booked.client_reference,
    network: network.id,
    asset: rule.asset,
    amount: BigInt(intent.amount),
    fee: BigInt(booked.fee),
    destination: network.parseAddress(intent.destination),
    memo: intent.memo,
    intent,
    digest,
    authorization,
    approvals_needed: approvals.length,
    state: 'queued',
    expires_at_ms: BigInt(Date.parse(intent.expires_at)),
    created_at_ms: BigInt(atMs),
  });
  invariant(inserted, `${booked.withdrawal} has a name of its own`);
  await insertApprovals(sql, parseId('wd', booked.withdrawal), approvals, atMs);
  report.restored.withdrawals += 1;
  const row = await withdrawalByDigest(sql, digest);
  invariant(row, `withdrawal ${digest} was put back`);
  return row;
}

/** The engine's reservation that it had; null where that is not to be had any more, which somebody has to look at. */
async function reservationOf(
  sql: Sql,
  { withdrawal, reservation }: NonNullable<AuthorizedIntent['booked']>,
  report: RebuildReport,
): Promise<string | null> {
  if (reservation === undefined) return null;
  await lockReservation(sql, reservation);
  if (await isReleased(sql, reservation))
    report.notes.push(`the engine has given reservation ${reservation} of ${withdrawal} up; a transaction may pay it`);
  const taker = await takerOf(sql, reservation);
  if (taker === null) return reservation;
  report.notes.push(`reservation ${reservation} of ${withdrawal} is ${formatId('wd', taker)}'s by now`);
  return null;
}
