import type { ReconciliationResource } from '@holdfast/core/contract/resources.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { tipBlock } from '../store/blocks.ts';
import { balances, trialBalance } from '../store/ledger/balances.ts';

/** Times the applied tip may move under a reading before it is given up. */
const tries = 20;

/**
 * Compares, per network and asset, the ledger's chain accounts with what the nodes say our addresses hold at the very
 * block that the ledger has applied; and the ledger's two sides with each other.
 */
export async function reconcile(ctx: Context, networks: Iterable<Network>): Promise<ReconciliationResource> {
  const rows: ReconciliationResource['rows'] = [];
  const unread: ReconciliationResource['unread'] = [];
  for (const network of networks) {
    const found = await reconcileNetwork(ctx, network);
    rows.push(...found);
    const missing = network.config.assets.filter(({ asset }) => !found.some((row) => row.asset === asset));
    if (found.length > 0) unread.push(...missing.map(({ asset }) => ({ network: network.id, asset })));
  }
  const trial = (await trialBalance(ctx.db)).map(({ asset, debit, credit }) => ({
    asset,
    difference: (debit - credit).toString(),
  }));
  return {
    object: 'reconciliation',
    balanced:
      unread.length === 0 &&
      rows.every((row) => row.difference === '0') &&
      trial.every((row) => row.difference === '0'),
    trial_balance: trial,
    rows,
    unread,
    checked_at: new Date(ctx.now()).toISOString(),
  };
}

async function reconcileNetwork(ctx: Context, network: Network): Promise<ReconciliationResource['rows']> {
  let problem = new Failure('node-unavailable', `the tip of ${network.id} moved ${tries} times during the reading`);
  for (let attempt = 0; attempt < tries; attempt++) {
    const before = await tipBlock(ctx.db, network.id);
    if (!before) return [];
    let chain: ReadonlyMap<string, bigint>;
    try {
      chain = await network.chainBalances(before.height, before.hash);
    } catch (error) {
      // The node is a block ahead of us; we follow within a poll.
      const isBehind = error instanceof Failure && /^node-(unavailable|quorum-lost)$/.test(error.code);
      if (!isBehind) throw error;
      problem = error;
      await new Promise((resolve) => setTimeout(resolve, network.config.poll_ms));
      continue;
    }
    // One reading of tip and balances: a block applied in between would move the balances.
    const ledger = await ctx.db.transaction(
      async (sql) => {
        const after = await tipBlock(sql, network.id);
        return after?.id === before.id ? ledgerBalances(sql, network) : null;
      },
      { snapshot: true },
    );
    if (!ledger) continue;
    return network.config.assets.flatMap((rule) => {
      if (!chain.has(rule.asset)) return [];
      const mine = ledger.get(rule.asset) ?? 0n;
      const theirs = chain.get(rule.asset) ?? 0n;
      const decimals = ctx.config.assets.find((asset) => asset.code === rule.asset)!.decimals;
      const row = {
        network: network.id,
        asset: rule.asset,
        decimals,
        height: before.height,
        ledger: mine.toString(),
        chain: theirs.toString(),
        difference: (mine - theirs).toString(),
      };
      return [row];
    });
  }
  throw problem;
}

async function ledgerBalances(sql: Parameters<typeof balances>[0], network: Network): Promise<Map<string, bigint>> {
  const totals = new Map<string, bigint>();
  for (const { asset } of network.config.assets) {
    const codes = [
      accountCodes.hot(network.id, asset),
      accountCodes.uncollected(network.id, asset),
      accountCodes.relayer(network.id, asset),
      accountCodes.cold(network.id, asset),
    ];
    const found = await balances(sql, codes);
    totals.set(
      asset,
      codes.reduce((sum, code) => sum + (found.get(code) ?? 0n), 0n),
    );
  }
  return totals;
}
