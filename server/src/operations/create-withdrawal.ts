import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import type { WithdrawalResource } from '@holdfast/core/contract/resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import type { CreateWithdrawalBody } from '@holdfast/core/contract/bodies.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { ownContracts } from '@holdfast/core/policy/own-contracts.ts';
import { countApprovals } from '@holdfast/core/signing/count-approvals.ts';
import { intentDigest, intentDigestHex } from '@holdfast/core/signing/intent.ts';
import {
  type AcceptedWithdrawal,
  decideWithdrawal,
  type WithdrawalRule,
} from '@holdfast/core/withdrawals/decide-withdrawal.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import type { AssetRule } from '../config.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { lockCustomer } from '../store/lock-customer.ts';
import type { Sql } from '../store/database.ts';
import { customerCredential } from '../store/customer-records.ts';
import { insertEvents } from '../store/events.ts';
import { type FeeSchedule, scheduleById, schedulesInForce } from '../store/fee-schedules.ts';
import { postBatch } from '../store/ledger/post-batch.ts';
import { quoteById } from '../store/quotes.ts';
import { insertApprovals } from '../store/withdrawal-approvals.ts';
import { earlierRequests, requestFacts } from '../store/withdrawal-requests.ts';
import { insertWithdrawal } from '../store/withdrawals.ts';
import type { AssetTraits } from '../store/asset-traits.ts';
import { getWithdrawal } from '../store/withdrawal-resources.ts';
import { approvalsFor } from './approve-withdrawal.ts';
import { networkCostFor } from './create-quote.ts';
import { checkReservation, takeReservation } from './reservation.ts';
import { verifyAuthorization } from './verify-authorization.ts';

const dayMs = 24 * 3_600_000;

/**
 * Accepts a withdrawal: checks the customer's authorisation and the policy, holds amount and fee, queues it; one
 * transaction. The same client_reference with the same intent returns the withdrawal that exists.
 */
export async function createWithdrawal(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  traits: AssetTraits,
  body: CreateWithdrawalBody,
): Promise<WithdrawalResource> {
  const { intent, authorization } = body;
  const network = networks.get(intent.network);
  if (!network) throw new Failure('unknown-network', `no network ${intent.network}`, { pointer: '/intent/network' });
  const destination = network.parseAddress(intent.destination, '/intent/destination');
  const customerId = parseId('cus', intent.customer, '/intent/customer');
  await verifyAuthorization(ctx.policy, authorization, intentDigest(intent), 'withdraw', (id) =>
    customerCredential(ctx.db, customerId, id),
  );
  const approvals = body.approvals ?? [];
  const given = countApprovals(approvals, intentDigest(intent), ctx.policy, opensslVerifiers);
  const needed = approvalsFor(ctx.policy, intent);
  const isApproved = given.total >= needed.approvals && given.offline >= needed.offline;
  const digest = intentDigestHex(intent);
  const reservation = checkReservation(ctx, body, digest);
  const nowMs = ctx.now();
  const inForce = await termsInForce(ctx, network, intent.asset, nowMs);
  const ownWallet = (await network.isOwnWallet(destination)) || isOwnByPolicy(ctx, network, destination);

  const request: Request = {
    body,
    network,
    destination,
    customerId,
    digest,
    ownWallet,
    inForce,
    reservation,
    nowMs,
    approvalsNeeded: needed.approvals,
    isApproved,
  };

  const id = await ctx.db.transaction(async (sql) => {
    if (!(await lockCustomer(sql, customerId)))
      throw new Failure('not-found', `no customer ${intent.customer}`, { pointer: '/intent/customer' });
    return (await findEarlier(sql, request)) ?? (await accept(ctx, sql, request));
  });
  ctx.step('withdrawal-after-commit');
  return getWithdrawal(ctx.db, traits, formatId('wd', id));
}

/** A request whose evidence holds. */
interface Request {
  readonly body: CreateWithdrawalBody;
  readonly network: Network;
  /** Canonical address. */
  readonly destination: string;
  readonly customerId: string;
  readonly digest: string;
  readonly ownWallet: boolean;
  /** Null for what is no asset of the network. */
  readonly inForce: Pick<Terms, 'schedule' | 'networkCost'> | null;
  /** The engine's name of what it set aside; null where it owns no balances. */
  readonly reservation: string | null;
  readonly nowMs: number;
  readonly approvalsNeeded: number;
  readonly isApproved: boolean;
}

/** What signers refuse as one of the vault's own contracts would hold up whoever shared its batch. */
function isOwnByPolicy(ctx: Context, network: Network, destination: string): boolean {
  const rules = ctx.policy.networks.find((one) => one.network === network.id);
  return rules?.family === 'evm' && ownContracts(rules).has(destination.toLowerCase());
}

/** Id of the withdrawal that this very request made before. @throws Failure client-reference-taken for another one. */
async function findEarlier(sql: Sql, { body, digest }: Request): Promise<string | null> {
  const earlier = await earlierRequests(sql, body.client_reference, digest);
  const same = earlier.find(({ client_reference: reference }) => reference === body.client_reference);
  if (same?.digest === digest) return same.id;
  if (same) {
    throw new Failure(
      'client-reference-taken',
      `client_reference ${body.client_reference} names withdrawal ${formatId('wd', same.id)} with another intent`,
      { pointer: '/client_reference' },
    );
  }
  const [sameIntent] = earlier;
  if (!sameIntent) return null;
  throw new Failure(
    'client-reference-taken',
    `the intent already is withdrawal ${formatId('wd', sameIntent.id)}; an intent counts once`,
    { pointer: '/intent/nonce', fix: 'Choose another nonce for another payment.' },
  );
}

/** Decides, holds and queues. @returns the new withdrawal's id. @throws Failure with the refusal. */
async function accept(ctx: Context, sql: Sql, request: Request): Promise<string> {
  const { body, network, destination, customerId, nowMs } = request;
  const { intent, authorization } = body;
  const { accepted, scheduleId, quoteId } = await decide(ctx, sql, request);
  await takeReservation(sql, body, accepted);
  const id = ctx.newId();
  const inserted = await insertWithdrawal(sql, {
    id,
    customer_id: customerId,
    client_reference: body.client_reference,
    network: network.id,
    asset: accepted.asset,
    amount: accepted.amount,
    fee: accepted.fee,
    schedule_id: scheduleId,
    quote_id: quoteId,
    reservation: request.reservation,
    destination,
    memo: intent.memo,
    intent,
    digest: request.digest,
    authorization,
    approvals_needed: request.approvalsNeeded,
    state: request.isApproved ? 'queued' : 'awaiting_approval',
    expires_at_ms: BigInt(accepted.expiresAtMs),
    created_at_ms: BigInt(nowMs),
  });
  if (!inserted)
    throw new Failure(
      'client-reference-taken',
      `client_reference ${body.client_reference} names another customer’s withdrawal`,
      { pointer: '/client_reference' },
    );
  await insertApprovals(sql, id, body.approvals ?? [], nowMs);
  const type = request.isApproved ? 'withdrawal.queued' : 'withdrawal.awaiting_approval';
  const event = { id: ctx.newId(), type, resource: 'withdrawal', resourceId: id };
  await insertEvents(sql, [event], nowMs);
  const hold = {
    idem: `withdrawal/${id}/hold`,
    cause: `withdrawal:${id}`,
    debit: accountCodes.customer(intent.customer, accepted.asset),
    credit: accountCodes.hold(intent.customer, accepted.asset),
    amount: baseUnits(accepted.amount + accepted.fee),
  };
  const [status] = await postBatch(sql, [hold], nowMs);
  if (status === 'insufficient') {
    throw new Failure(
      'insufficient-funds',
      `${accepted.amount} and the fee of ${accepted.fee} base units of ${accepted.asset} exceed the available balance`,
      { pointer: '/intent/amount' },
    );
  }
  invariant(status === 'posted', `the hold of withdrawal ${id} was refused: ${status}`);
  ctx.step('withdrawal-before-commit');
  return id;
}

interface Decided {
  readonly accepted: AcceptedWithdrawal;
  readonly scheduleId: string;
  readonly quoteId: string | null;
}

async function decide(ctx: Context, sql: Sql, request: Request): Promise<Decided> {
  const { network, destination, customerId, ownWallet, nowMs } = request;
  const { intent } = request.body;
  const row = network.config.assets.find(({ caip19 }) => caip19 === intent.asset);
  const found = row ? await termsFor(sql, request, row) : null;
  const facts = await requestFacts(sql, {
    customerId,
    network: network.id,
    asset: row?.asset ?? '',
    sinceMs: nowMs - dayMs,
    destinationKey: network.watchKey(destination),
  });
  const accepted = decideWithdrawal(intent, {
    nowMs,
    rules: row && found ? [withdrawalRule(ctx, row, found)] : [],
    withdrawnToday: () => facts.withdrawn,
    destination,
    destinationIsOurs: ownWallet || facts.destination_is_ours,
    owes: facts.owes,
  });
  invariant(found, 'what was accepted has terms');
  return { accepted, scheduleId: found.schedule.id, quoteId: found.quoteId };
}

interface Terms {
  readonly schedule: FeeSchedule;
  /** Estimated network fee of the payment, base units of the asset, where the terms charge a part of it. */
  readonly networkCost: bigint;
  readonly quoteId: string | null;
}

/**
 * The terms of the quote that the request names, else those in force.
 * @throws Failure quote-expired, quote-differs, not-found.
 */
async function termsFor(
  sql: Sql,
  { body, customerId, network, inForce, nowMs }: Request,
  row: AssetRule,
): Promise<Terms> {
  if (body.quote === undefined) {
    invariant(inForce, `${row.asset} on ${network.id} has a fee schedule`);
    return { ...inForce, quoteId: null };
  }
  const pointer = { pointer: '/quote' };
  const quote = await quoteById(sql, parseId('quo', body.quote, '/quote'));
  if (!quote || quote.customer_id !== customerId) throw new Failure('quote-expired', `no quote ${body.quote}`, pointer);
  const schedule = await scheduleById(sql, quote.schedule_id);
  invariant(schedule, 'a quote has its schedule');
  const isFor =
    schedule.network === network.id && schedule.asset === row.asset && quote.amount === BigInt(body.intent.amount);
  if (!isFor) {
    throw new Failure(
      'quote-differs',
      `quote ${body.quote} is for ${quote.amount} base units of ${schedule.asset} on ${schedule.network}`,
      pointer,
    );
  }
  if (quote.used) throw new Failure('quote-differs', `another withdrawal has used quote ${body.quote}`, pointer);
  if (nowMs >= Number(quote.expires_at_ms)) {
    throw new Failure('quote-expired', `quote ${body.quote} ended at ${formatTime(quote.expires_at_ms)}`, pointer);
  }
  return { schedule, networkCost: quote.network_cost, quoteId: quote.id };
}

/** Asked before the transaction, which waits for no node. The estimate is 0n where no part of the network's fee is charged. */
async function termsInForce(
  ctx: Context,
  network: Network,
  caip19: string,
  nowMs: number,
): Promise<Request['inForce']> {
  const asset = network.config.assets.find((rule) => rule.caip19 === caip19)?.asset;
  const schedule = asset === undefined ? undefined : (await schedulesInForce(ctx.db, network.id, nowMs)).get(asset);
  return asset === undefined || !schedule
    ? null
    : { schedule, networkCost: await networkCostFor(schedule, network, asset) };
}

function withdrawalRule(ctx: Context, row: AssetRule, { schedule, networkCost }: Terms): WithdrawalRule {
  const decimals = ctx.config.assets.find(({ code }) => code === row.asset)?.decimals;
  invariant(decimals !== undefined, `the configuration has ${row.asset}`);
  return {
    asset: row.asset,
    caip19: row.caip19,
    decimals,
    terms: schedule,
    networkCost,
    perWithdrawalMax: BigInt(row.per_withdrawal_max),
    perCustomerDayMax: BigInt(row.per_customer_day_max),
  };
}
