import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { lockTip, tipBlock } from '../store/blocks.ts';
import { coldWallets, insertColdWallet } from '../store/cold-wallets.ts';
import { mustPost } from '../store/ledger/post-batch.ts';

/** Pause after nodes could not say what an address holds: on Bitcoin they read their whole set of unspent outputs for it. */
const retryMs = 10_000;

/**
 * Takes over what the policy's cold addresses hold, once each, at the applied tip: from the next block on they are watched.
 * Nothing here says whose that was, so it is posted as the operator's own. Runs in the loop that follows the chain, so that
 * no block is applied meanwhile.
 * @returns a pass; it answers how many addresses were taken over.
 */
export function openColdWallets(ctx: Context, network: Network): () => Promise<number> {
  let retryAtMs = 0;
  return async () => {
    if (ctx.now() < retryAtMs) return 0;
    const known = new Set((await coldWallets(ctx.db, network.id)).map(({ watch_key: key }) => key));
    const unknown = network.cold.addresses.filter((address) => !known.has(network.watchKey(address)));
    if (unknown.length === 0) return 0;
    try {
      return await openAll(ctx, network, unknown);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      retryAtMs = ctx.now() + retryMs;
      ctx.log('cold-wallet-waits', { network: network.id, code: error.code, problem: error.message });
      return 0;
    }
  };
}

async function openAll(ctx: Context, network: Network, addresses: readonly string[]): Promise<number> {
  const tip = await tipBlock(ctx.db, network.id);
  // The nodes are ahead: it is followed first.
  if (!tip || (await network.nodes.heights()).some(({ height }) => height !== tip.height)) return 0;
  let opened = 0;
  for (const address of addresses) {
    const { amounts, record } = await network.cold.read([address], tip);
    const done = await ctx.db.transaction(async (sql) => {
      if (!(await lockTip(sql, network.id, tip))) return false;
      const nowMs = ctx.now();
      const key = network.watchKey(address);
      const row = { network: network.id, address, watch_key: key, height: tip.height };
      if (!(await insertColdWallet(sql, row, nowMs))) return false;
      await record(sql, tip);
      const postings = [...amounts].flatMap(([asset, amount]) => {
        const [debit, credit] = [accountCodes.cold(network.id, asset), accountCodes.capital(asset)];
        const idem = `cold/${network.id}/${key}/${asset}`;
        return amount === 0n ? [] : [{ idem, cause: `cold:${network.id}`, debit, credit, amount: baseUnits(amount) }];
      });
      await mustPost(sql, postings, nowMs);
      return true;
    });
    if (!done) return opened;
    opened++;
    ctx.log('cold-wallet-opened', { network: network.id, address, height: tip.height });
  }
  return opened;
}
