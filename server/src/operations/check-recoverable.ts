import type { CheckRecoverableBody } from '@holdfast/core/contract/bodies.ts';
import type { RecoverableResource } from '@holdfast/core/contract/resources.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { ownersOfKeys } from '../store/deposit-addresses.ts';
import { recordHeld } from '../store/recoverables.ts';

/**
 * Asks the nodes what a deposit address holds of a token that is not listed, and keeps the answer: a contract's own word,
 * but not that of its logs. It also names what blocks left out because there was too much.
 * @throws Failure unknown-network, invalid-address, not-found, invalid-request (listed, or not on this network),
 * node-unavailable, node-disagreement.
 */
export async function checkRecoverable(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  body: CheckRecoverableBody,
): Promise<RecoverableResource> {
  const network = networks.get(body.network);
  if (!network) throw new Failure('unknown-network', `no network ${body.network}`, { pointer: '/network' });
  if (!network.holdingOf) {
    throw new Failure('invalid-request', `${network.id} has no tokens`, { pointer: '/network' });
  }
  const address = network.parseAddress(body.address, '/address');
  const contract = network.parseAddress(body.contract, '/contract');
  if (network.config.assets.some((rule) => rule.contract?.toLowerCase() === contract.toLowerCase())) {
    throw new Failure('invalid-request', `${contract} is listed: what arrived of it is a deposit`, {
      pointer: '/contract',
      fix: 'If it arrived before the token was listed, rescan the network from there: holdfast rescan.',
    });
  }
  const key = network.watchKey(address);
  const owner = (await ownersOfKeys(ctx.db, network.id, [key])).get(key);
  if (!owner) {
    throw new Failure('not-found', `${address} is no deposit address of ${network.id}`, { pointer: '/address' });
  }
  const { amount, height } = await network.holdingOf(contract, address);
  const row = { id: ctx.newId(), network: network.id, addressId: owner.addressId, contract, held: amount, height };
  return recordHeld(ctx.db, row, ctx.now());
}
