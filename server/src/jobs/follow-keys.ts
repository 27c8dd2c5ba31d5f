import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { SignerPanel } from '../signers/panel.ts';
import { lockAddresses, supersedeAddresses } from '../store/deposit-addresses.ts';
import { rememberWalletKey, walletKey } from '../store/wallet-keys.ts';

/**
 * Takes over a wallet's next key epoch once all signers have said that they hold its key. New addresses, change and payments
 * are the new key's from then on; the addresses before stay watched.
 * @returns 1 when there was one.
 */
export async function followKeys(
  ctx: Context,
  network: Network,
  panel: Pick<SignerPanel, 'newestKey'>,
): Promise<number> {
  if (!network.hasEpochs) return 0;
  const known = await walletKey(ctx.db, network.id);
  // The first key is fetched by whoever needs it first, from all signers.
  if (!known) return 0;
  const newest = await panel.newestKey(network.id);
  if (!newest || newest.epoch <= known.epoch) return 0;
  await ctx.db.transaction(async (sql) => {
    // An address that is being derived now is of the old epoch, and superseded with the rest.
    await lockAddresses(sql, network.id);
    await rememberWalletKey(sql, newest);
    await supersedeAddresses(sql, network.id, newest.epoch);
    ctx.step('rotate-before-commit');
  });
  ctx.log('key-epoch', { network: network.id, epoch: newest.epoch, group_key: newest.group_key });
  return 1;
}
