import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import type { CreateQuoteBody, QuoteResource } from '@holdfast/core/contract/fee-resources.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import {
  chargeFee,
  checkAmount,
  type FeeTerms,
  netOf,
  roundToPrecision,
} from '@holdfast/core/withdrawals/fee-terms.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { schedulesInForce } from '../store/fee-schedules.ts';
import { lockCustomer } from '../store/lock-customer.ts';
import { insertQuote } from '../store/quotes.ts';
import { assetOn } from './create-fee-schedule.ts';

const validDefaultS = 60;

/**
 * Says what a withdrawal would be charged now and promises it until `expires_at`. Nothing is held. Each call makes a quote.
 * @throws Failure unknown-network, unknown-asset, not-found, below-minimum, too-precise, node-unavailable.
 */
export async function createQuote(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  body: CreateQuoteBody,
): Promise<QuoteResource> {
  const { network: networkId, asset, decimals } = assetOn(ctx, body.network, body.asset);
  const network = networks.get(networkId);
  invariant(network, `${networkId} has an adapter`);
  const customerId = parseId('cus', body.customer, '/customer');
  if ((body.amount === undefined) === (body.total === undefined)) {
    throw new Failure('invalid-request', 'give amount or total, one of them', { pointer: '/amount' });
  }
  const nowMs = ctx.now();
  const terms = (await schedulesInForce(ctx.db, networkId, nowMs)).get(asset);
  invariant(terms, `${asset} on ${networkId} has a fee schedule`);
  const networkCost = await networkCostFor(terms, network, asset);
  const amount =
    body.amount === undefined
      ? roundToPrecision(terms, netOf(terms, BigInt(body.total!), networkCost), decimals)
      : BigInt(body.amount);
  const pointer = body.amount === undefined ? '/total' : '/amount';
  checkAmount(terms, amount, { code: asset, decimals }, pointer);
  if (amount === 0n) throw new Failure('below-minimum', `${pointer.slice(1)} leaves nothing to pay`, { pointer });
  const fee = chargeFee(terms, amount, networkCost);
  const id = ctx.newId();
  const expiresAtMs = nowMs + (ctx.config.quote_valid_s ?? validDefaultS) * 1_000;
  await ctx.db.transaction(async (sql) => {
    if (!(await lockCustomer(sql, customerId)))
      throw new Failure('not-found', `no customer ${body.customer}`, { pointer: '/customer' });
    await insertQuote(sql, {
      id,
      customer_id: customerId,
      schedule_id: terms.id,
      amount,
      fee,
      network_cost: networkCost,
      expires_at_ms: BigInt(expiresAtMs),
      created_at_ms: BigInt(nowMs),
    });
  });
  return {
    object: 'quote',
    id: formatId('quo', id),
    customer: body.customer,
    network: networkId,
    asset,
    decimals,
    net_amount: String(amount),
    fee: String(fee),
    total: String(amount + fee),
    schedule_version: terms.version,
    expires_at: formatTime(BigInt(expiresAtMs)),
  };
}

/** What the network would take for one payment, where the terms charge a part of it; else 0n, without asking the nodes. */
export async function networkCostFor(terms: FeeTerms, network: Network, asset: string): Promise<bigint> {
  return terms.networkSharePerMille === 0 ? 0n : (await network.costs()).payment(asset);
}
