import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import type { DepositAddressResource } from '@holdfast/core/contract/resources.ts';
import type { CreateDepositAddressBody } from '@holdfast/core/contract/routes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { SignerPanel } from '../signers/panel.ts';
import { lockCustomer } from '../store/lock-customer.ts';
import { activateAddress, currentAddress, insertAddress, nextDerivationIndex } from '../store/deposit-addresses.ts';
import { insertEvents } from '../store/events.ts';
import { getDepositAddress } from '../store/deposit-address-resources.ts';

/**
 * The customer's address on a network. A new one is derived here and by a signer, each from its own configuration, and
 * is returned only when both agree; until then its row is `pending`, watched and told to nobody.
 */
export async function issueDepositAddress(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  panel: SignerPanel,
  body: CreateDepositAddressBody,
): Promise<DepositAddressResource> {
  const network = networks.get(body.network);
  if (!network) throw new Failure('unknown-network', `no network ${body.network}`, { pointer: '/network' });
  const customerUuid = parseId('cus', body.customer, '/customer');
  const nowMs = ctx.now();
  // The wallet key may have to be fetched from the signers; not inside the transaction.
  await network.depositAddress(body.customer, 0);
  ctx.step('address-before-insert');
  const row = await ctx.db.transaction(async (sql) => {
    if (!(await lockCustomer(sql, customerUuid)))
      throw new Failure('not-found', `no customer ${body.customer}`, { pointer: '/customer' });
    const existing = await currentAddress(sql, customerUuid, network.id);
    if (existing) return existing;
    const index = await nextDerivationIndex(sql, network.id);
    const address = await network.depositAddress(body.customer, index);
    await insertAddress(sql, {
      id: ctx.newId(),
      customer_id: customerUuid,
      network: network.id,
      index,
      address,
      watch_key: network.watchKey(address),
      state: 'pending',
      nowMs,
    });
    return (await currentAddress(sql, customerUuid, network.id))!;
  });
  if (row.state === 'pending') {
    const index = Number(row.derivation_index);
    const theirs = await panel.deriveAddress({ network: network.id, customer: body.customer, index });
    if (theirs !== row.address) {
      throw new Failure(
        'derivation-mismatch',
        `server derives ${row.address}, a signer ${theirs}, for ${body.customer} index ${index} on ${network.id}`,
      );
    }
    ctx.step('address-before-activate');
    await ctx.db.transaction(async (sql) => {
      await activateAddress(sql, row.id);
      await insertEvents(
        sql,
        [{ id: ctx.newId(), type: 'deposit_address.issued', resource: 'deposit_address', resourceId: row.id }],
        ctx.now(),
      );
    });
  }
  return getDepositAddress(ctx.db, formatId('addr', row.id));
}
