import type { ClaimDepositsBody, DepositClaimResource } from '@holdfast/core/contract/fee-resources.ts';
import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { formatTime } from '@holdfast/core/contract/time.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import type { Context } from '../context.ts';
import { creditLocked } from '../jobs/credit-deposits.ts';
import type { Network } from '../networks/network.ts';
import type { Sql } from '../store/database.ts';
import { claimByReference, insertClaim, lockSmall, type SmallDeposit } from '../store/deposit-minimums.ts';
import { lockBalances } from '../store/ledger/balances.ts';
import { postBatch } from '../store/ledger/post-batch.ts';
import { lockCustomer } from '../store/lock-customer.ts';
import { assetOn } from './create-fee-schedule.ts';

/**
 * Credits what waits below the minimum for a customer, who pays for its collection: one collection an address, in the network's
 * coin. All in one transaction; the same client_reference again returns the claim that exists.
 * @param caller key id, for the record.
 * @throws Failure not-found, unknown-network, unknown-asset, nothing-to-claim, claim-too-dear, insufficient-funds,
 * client-reference-taken, node-unavailable.
 */
export async function claimDeposits(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  body: ClaimDepositsBody,
  caller: string,
): Promise<DepositClaimResource> {
  const { asset } = assetOn(ctx, body.network, body.asset);
  const network = networks.get(body.network);
  invariant(network, `${body.network} has an adapter`);
  const customerId = parseId('cus', body.customer, '/customer');
  const oneCost = (await network.costs()).collection(asset);
  await ctx.db.transaction(async (sql) => {
    if (!(await lockCustomer(sql, customerId)))
      throw new Failure('not-found', `no customer ${body.customer}`, { pointer: '/customer' });
    const earlier = await claimByReference(sql, body.client_reference);
    if (earlier) {
      const isSame = earlier.customer_id === customerId && earlier.network === network.id && earlier.asset === asset;
      if (!isSame) throw taken(body.client_reference);
      return;
    }
    await claim(ctx, sql, network, { body, customerId, caller, oneCost });
  });
  const found = await claimByReference(ctx.db, body.client_reference);
  invariant(found, 'a claim that was made is there');
  return {
    object: 'deposit_claim',
    client_reference: found.client_reference,
    customer: body.customer,
    network: found.network,
    asset: found.asset,
    amount: found.amount.toString(),
    cost: found.cost.toString(),
    cost_asset: found.cost_asset,
    deposits: found.deposits.map((id) => formatId('dep', id)),
    created_at: formatTime(found.created_at_ms),
  };
}

interface Claim {
  readonly body: ClaimDepositsBody;
  readonly customerId: string;
  readonly caller: string;
  /** Of one address, base units of the network's coin. */
  readonly oneCost: bigint;
}

async function claim(ctx: Context, sql: Sql, network: Network, input: Claim): Promise<void> {
  const { body, customerId, caller, oneCost } = input;
  const nowMs = ctx.now();
  const waiting = await lockSmall(sql, customerId, network.id, body.asset);
  if (waiting.length === 0) {
    throw new Failure('nothing-to-claim', `nothing of ${body.asset} waits below the minimum on ${network.id}`);
  }
  const cost = oneCost * BigInt(new Set(waiting.map((deposit) => deposit.address_id)).size);
  refuseDear(ctx, network, waiting, cost, body);
  const id = ctx.newId();
  const row = {
    id,
    client_reference: body.client_reference,
    customer_id: customerId,
    network: network.id,
    asset: body.asset,
    cost,
    cost_asset: network.nativeAsset,
    created_at_ms: BigInt(nowMs),
    created_by: caller,
  };
  const ids = waiting.map((deposit) => deposit.id);
  if (!(await insertClaim(sql, row, ids))) throw taken(body.client_reference);
  const coin = network.nativeAsset;
  const charged = { debit: accountCodes.customer(body.customer, coin), credit: accountCodes.feeRevenue(coin) };
  // The credit and the charge are posted apart: all their accounts are locked first, in one order.
  await lockBalances(sql, [
    charged.debit,
    charged.credit,
    accountCodes.receivable(body.customer, body.asset),
    accountCodes.customer(body.customer, body.asset),
    accountCodes.unconfirmed(network.id, body.asset),
  ]);
  await creditLocked(ctx, sql, network, waiting);
  if (cost === 0n) return;
  const charge = {
    idem: `claim/${id}/cost`,
    cause: `claim:${id}`,
    ...charged,
    amount: baseUnits(cost),
  };
  const [status] = await postBatch(sql, [charge], nowMs);
  if (status === 'insufficient') {
    throw new Failure('insufficient-funds', `collecting costs ${cost} base units of ${network.nativeAsset}`);
  }
  invariant(status === 'posted', `the cost of claim ${id} was refused: ${status}`);
}

/** What costs more than the customer agreed to, or than it brings; where an engine owns balances, what is not paid from the claim itself. */
function refuseDear(
  ctx: Context,
  network: Network,
  waiting: readonly SmallDeposit[],
  cost: bigint,
  body: ClaimDepositsBody,
): void {
  const total = waiting.reduce((sum, { amount }) => sum + amount, 0n);
  const isOwnCoin = body.asset === network.nativeAsset;
  const costText = `collecting ${total} of ${body.asset} costs ${cost} base units of ${network.nativeAsset}`;
  if (cost > BigInt(body.cost_max))
    throw new Failure('claim-too-dear', `${costText}, above ${body.cost_max}`, { pointer: '/cost_max' });
  if (isOwnCoin && cost >= total) throw new Failure('claim-too-dear', `${costText}: it would bring nothing`);
  if (ctx.config.mode === 'custodian' && !isOwnCoin && cost > 0n) {
    throw new Failure('reservation-missing', `${costText}, which the engine has not set aside`, {
      fix: 'Lower the minimum by a version for a while instead: what waits is then credited.',
    });
  }
}

const taken = (reference: string): Failure =>
  new Failure('client-reference-taken', `client_reference ${reference} names another claim`, {
    pointer: '/client_reference',
  });
