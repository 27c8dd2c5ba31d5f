import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { AssetCode } from '@holdfast/core/money/asset.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { assetPolicies } from '@holdfast/core/policy/network-of.ts';
import type { HotRule } from '@holdfast/core/policy/policy.ts';
import { decideRebalance } from '@holdfast/core/withdrawals/decide-rebalance.ts';
import type { Context } from '../context.ts';
import type { Network, Payout } from '../networks/network.ts';
import type { HaltView } from '../signers/halt-view.ts';
import { closeAlarms, raiseAlarm } from '../store/alarms.ts';
import { tipBlock } from '../store/blocks.ts';
import {
  type ChainTransactionRow,
  hasOpenWithdrawalTransaction,
  holdsConflictKey,
  insertTransaction,
  lockBatching,
  setTransactionState,
  storeSigned,
} from '../store/chain-transactions.ts';
import { coldWallets } from '../store/cold-wallets.ts';
import { hotPosition } from '../store/hot-positions.ts';
import { countSkims, openSkim } from '../store/skims.ts';
import { isBelowFinality } from './finality.ts';
import { askForRefill } from './ask-for-refill.ts';

/** A skim that the signers refused is built anew after this. */
const refusedPauseMs = 5 * 60_000;
/** The signers' window for their count of skims, and the minute by which it is longer. */
const countedMs = 24 * 3_600_000 + 60_000;
/** A skim that no block takes is void after this where the chain holds it to a deadline. */
const deadlineMs = 6 * 3_600_000;

interface Rule {
  readonly asset: AssetCode;
  readonly caip19: string;
  readonly hot: HotRule;
}

/** What a skim takes of an asset. */
interface Surplus extends Rule {
  readonly amount: bigint;
}

/**
 * Keeps what is hot around the policy's targets: signs a skim to cold when more than the ceiling is hot, and keeps an alarm
 * open while custodians have to refill. One skim of a network is under way at a time; the payments' loop broadcasts. The
 * position is read again with each new block, since customers' balances are added up for it.
 * @returns a pass; it answers how many skims were signed.
 */
export function balanceHotWallet(
  ctx: Context,
  network: Network,
  isHalted: HaltView['isHalted'],
): () => Promise<number> {
  let readAt: bigint | null = null;
  return async () => {
    const rules = rulesOf(ctx, network);
    if (rules.length === 0) return 0;
    const open = await openSkim(ctx.db, network.id);
    if (open) return open.state === 'built' && !isHalted(network.id, null) ? signSkim(ctx, network, open) : 0;
    const tip = await tipBlock(ctx.db, network.id);
    if (!tip || tip.id === readAt) return 0;
    const surplus = await review(ctx, network, rules);
    readAt = tip.id;
    const skimmed = surplus.filter(({ caip19 }) => !isHalted(network.id, caip19));
    if (skimmed.length === 0 || isHalted(network.id, null) || (await isBelowFinality(ctx.db, network))) return 0;
    const built = await buildSkim(ctx, network, skimmed);
    return built ? signSkim(ctx, network, built) : 0;
  };
}

function rulesOf(ctx: Context, network: Network): Rule[] {
  const policy = ctx.policy.networks.find((one) => one.network === network.id);
  const known = new Map(network.config.assets.map(({ caip19, asset }) => [caip19, asset]));
  return (policy ? assetPolicies(policy) : []).flatMap(({ asset: caip19, hot }) => {
    const asset = known.get(caip19);
    return hot && asset !== undefined ? [{ asset, caip19, hot }] : [];
  });
}

/** Asks for refills, and closes what is not needed any more. @returns what is too much. */
async function review(ctx: Context, network: Network, rules: readonly Rule[]): Promise<Surplus[]> {
  const surplus: Surplus[] = [];
  for (const rule of rules) {
    const position = await ctx.db.transaction((sql) => hotPosition(sql, network, rule.asset), { snapshot: true });
    const wanted = decideRebalance(rule.hot, position);
    await askForRefill(ctx, network, rule.asset, { position, amount: wanted?.kind === 'refill' ? wanted.amount : 0n });
    if (wanted?.kind === 'skim') surplus.push({ ...rule, amount: wanted.amount });
  }
  return surplus;
}

async function buildSkim(
  ctx: Context,
  network: Network,
  surplus: readonly Surplus[],
): Promise<ChainTransactionRow | null> {
  const nowMs = ctx.now();
  const since = { madeMs: nowMs - countedMs, refusedMs: nowMs - refusedPauseMs };
  const { made, refused } = await countSkims(ctx.db, network.id, since);
  const within = surplus.filter(({ hot }) => made < hot.skims_per_day_max);
  const cold = await sealedAddress(ctx, network);
  if (refused > 0 || within.length === 0 || cold === null) return null;
  const most = await network.skimmable(within.map(({ asset }) => asset));
  const payouts = within.flatMap(({ asset, amount, hot }): Payout[] => {
    const room = most.get(asset) ?? 0n;
    const taken = amount < room ? amount : room;
    if (taken < BigInt(hot.skim_min)) return [];
    return [{ id: ctx.newId(), asset, amount: baseUnits(taken), destination: cold, expiresAtMs: nowMs + deadlineMs }];
  });
  if (payouts.length === 0) return null;
  const assetOf = new Map(payouts.map((payout) => [payout.id, payout.asset]));
  const outlook = await network.surveyBatch(payouts);
  for (const { id, reason } of [...outlook.impossible, ...outlook.waiting])
    ctx.log('skim-waits', { network: network.id, asset: assetOf.get(id), reason });
  if (outlook.payable.length === 0) return null;
  const id = ctx.newId();
  await ctx.db.transaction(async (sql) => {
    // Payments of a Safe use the same nonce, so the two are built one after the other.
    await lockBatching(sql, network.id);
    const isBusy = network.family === 'evm' && (await hasOpenWithdrawalTransaction(sql, network.id));
    if (isBusy || (await openSkim(sql, network.id))) return;
    const plan = await outlook.build(sql, id, outlook.payable);
    if (!plan || (await holdsConflictKey(sql, network.id, plan.conflictKeys))) return;
    const unsigned = { ...plan.unsigned, skim: true };
    const { conflictKeys, refs } = plan;
    await insertTransaction(sql, { id, network: network.id, kind: 'skim', unsigned, conflictKeys, refs }, ctx.now());
    ctx.step('skim-before-commit');
  });
  const open = await openSkim(ctx.db, network.id);
  if (open?.id === id)
    ctx.log('skim-built', { network: network.id, transaction: id, assets: outlook.payable.map(({ asset }) => asset) });
  return open;
}

/** The first of the policy's addresses whose balance is in the ledger. */
async function sealedAddress(ctx: Context, network: Network): Promise<string | null> {
  const watched = new Set((await coldWallets(ctx.db, network.id)).map(({ watch_key: key }) => key));
  return network.cold.addresses.find((address) => watched.has(network.watchKey(address))) ?? null;
}

async function signSkim(ctx: Context, network: Network, open: ChainTransactionRow): Promise<number> {
  try {
    const signed = await network.sign(open.unsigned, []);
    ctx.step('skim-after-quorum');
    const isStored = await ctx.db.transaction(async (sql) =>
      storeSigned(sql, open.id, await signed.seal(sql), ctx.now()),
    );
    ctx.step('skim-after-store');
    await closeAlarms(ctx.db, `${network.id} skim`, ctx.now());
    return isStored ? 1 : 0;
  } catch (error) {
    // What is halted must not keep the Safe's next nonce from the rest.
    if (error instanceof Failure && (!errorRow(error.code).retryable || error.code === 'halted')) {
      await giveUp(ctx, network, open, error);
      return 0;
    }
    throw error;
  }
}

/** Whoever completes what a few signed all the same moves coins to cold, and a block shows it as the skim that it is. */
async function giveUp(ctx: Context, network: Network, open: ChainTransactionRow, failure: Failure): Promise<void> {
  const message = `${failure.code}: ${failure.message}`;
  const nowMs = ctx.now();
  await ctx.db.transaction(async (sql) => {
    if (!(await setTransactionState(sql, open.id, ['built'], 'abandoned', message))) return;
    await network.abandon(sql, open.id);
    // The chain moved on under it, or a halt came: either is told elsewhere, or nothing to tell.
    if (failure.code === 'halted' || failure.code === 'would-revert') return;
    await raiseAlarm(sql, { id: ctx.newId(), code: 'skim-refused', subject: `${network.id} skim`, message }, nowMs);
  });
  ctx.log('skim-given-up', { network: network.id, transaction: open.id, problem: message });
}
