import { invariant } from '@holdfast/core/invariant.ts';
import type { DepositClaim } from '@holdfast/core/signing/customer-record.ts';
import { decideCredit } from '@holdfast/core/deposits/decide-credit.ts';
import { formatId } from '@holdfast/core/contract/ids.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { isBelowFinality, lastTiers, taggedHeight } from './finality.ts';
import { assetsSetAside } from './set-aside.ts';
import { tipBlock } from '../store/blocks.ts';
import { insertCustomerRecords } from '../store/customer-records.ts';
import type { Sql } from '../store/database.ts';
import { signerIds } from '../operations/create-customer-record.ts';
import { judgeMinimums } from '../store/deposit-minimums.ts';
import { depositPlaces, type DepositRow, lockCreditable, markCredited } from '../store/deposits.ts';
import { insertEvents } from '../store/events.ts';
import { lockBalances } from '../store/ledger/balances.ts';
import { mustPost } from '../store/ledger/post-batch.ts';

const depositsPerBatch = 500;

/** Credits deposits that are deep enough below the applied tip, a batch in one transaction. @returns how many. */
export async function creditDeposits(ctx: Context, network: Network): Promise<number> {
  const nowMs = ctx.now();
  const final = { height: await taggedHeight(ctx, network), lastTiers: lastTiers(network.config) };
  const count = await ctx.db.transaction(async (sql) => {
    const tip = await tipBlock(sql, network.id);
    if (!tip || (await isBelowFinality(sql, network))) return 0;
    await judge(ctx, sql, network, tip.height, nowMs);
    const kept = await assetsSetAside(sql, network);
    const deposits = await lockCreditable(sql, network.id, tip.height, depositsPerBatch, { kept, final });
    if (deposits.length === 0) return 0;
    await creditLocked(ctx, sql, network, deposits);
    ctx.step('credit-before-commit');
    return deposits.length;
  });
  if (count > 0) ctx.step('credit-after-commit');
  return count;
}

/** Sets what is below the minimum aside, with an event, and lets go what waits no more. */
async function judge(ctx: Context, sql: Sql, network: Network, tipHeight: number, nowMs: number): Promise<void> {
  const small = (await judgeMinimums(sql, network.id, tipHeight, nowMs)).filter((one) => one.below_minimum);
  const events = small.map(({ id }) => ({
    id: ctx.newId(),
    type: 'deposit.below_minimum',
    resource: 'deposit',
    resourceId: id,
  }));
  await insertEvents(sql, events, nowMs);
}

/** Credits deposits that the caller has locked, in its transaction: balances, events, and word to the signers. */
export async function creditLocked(
  ctx: Context,
  sql: Sql,
  network: Network,
  deposits: readonly DepositRow[],
): Promise<void> {
  const nowMs = ctx.now();
  const due = deposits.map((deposit) => ({
    id: deposit.id,
    customerId: formatId('cus', deposit.customer_id),
    asset: deposit.asset,
    amount: deposit.amount,
    credits: deposit.credits + 1,
  }));
  const accounts = due.flatMap(({ customerId, asset }) => [
    accountCodes.receivable(customerId, asset),
    accountCodes.customer(customerId, asset),
    accountCodes.unconfirmed(network.id, asset),
  ]);
  const postings = decideCredit(network.id, due, await lockBalances(sql, accounts));
  await markCredited(
    sql,
    deposits.map((deposit) => deposit.id),
    nowMs,
  );
  await insertEvents(
    sql,
    deposits.map((deposit) => ({
      id: ctx.newId(),
      type: 'deposit.credited',
      resource: 'deposit',
      resourceId: deposit.id,
    })),
    nowMs,
  );
  // The signers' nodes do not prove what was in quarantine: they have the approvers' decision instead.
  const proven = deposits.filter((deposit) => deposit.release_id === null);
  await insertDepositClaims(ctx, sql, network, proven);
  await mustPost(sql, postings, nowMs);
}

/** Tells the signers where to look: they count towards a customer's position only what their own nodes show. */
async function insertDepositClaims(
  ctx: Context,
  sql: Sql,
  network: Network,
  deposits: readonly { readonly id: string }[],
): Promise<void> {
  const caip19 = new Map(network.config.assets.map((rule) => [rule.asset, rule.caip19]));
  const places = await depositPlaces(
    sql,
    deposits.map(({ id }) => id),
  );
  const records = places.map((place) => {
    const asset = caip19.get(place.asset);
    invariant(asset, `${network.id} lists ${place.asset}`);
    const vout = /^vout:([0-9]+)$/.exec(place.idx)?.[1];
    const record: DepositClaim = {
      version: 1,
      kind: 'deposit',
      network: network.id,
      customer: formatId('cus', place.customer_id),
      index: Number(place.derivation_index),
      address: place.address,
      asset,
      block_height: Number(place.height),
      block_hash: place.hash.replace(/^0x/, ''),
      outpoint: vout === undefined ? null : { txid: place.txid, vout: Number(vout) },
    };
    return { id: ctx.newId(), signed: { record }, customerId: place.customer_id };
  });
  await insertCustomerRecords(sql, records, signerIds(ctx), ctx.now());
}
