import type { StartRescanBody } from '@holdfast/core/contract/bodies.ts';
import type { RescanResource } from '@holdfast/core/contract/resources.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { tipBlock } from '../store/blocks.ts';
import { insertRescan, rescanResource, runningRescans } from '../store/rescans.ts';

/** Of one network. */
const runningMax = 4;

/**
 * Starts to read applied blocks once more, from a height up to the tip.
 * @throws Failure unknown-network, invalid-request (nothing is applied there), rate-limited.
 */
export async function startRescan(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  body: StartRescanBody,
): Promise<RescanResource> {
  const network = networks.get(body.network);
  if (!network) throw new Failure('unknown-network', `no network ${body.network}`, { pointer: '/network' });
  const tip = await tipBlock(ctx.db, network.id);
  const { start_height: start } = network.config;
  if (!tip || body.from_height > tip.height || body.from_height < start) {
    throw new Failure('invalid-request', `blocks ${start} to ${tip?.height ?? 'none'} of ${network.id} are applied`, {
      pointer: '/from_height',
    });
  }
  if ((await runningRescans(ctx.db, network.id)).length >= runningMax) {
    throw new Failure('rate-limited', `${runningMax} rescans of ${network.id} are not finished`);
  }
  const row = { id: ctx.newId(), network: network.id, from: body.from_height, to: tip.height };
  return rescanResource(await insertRescan(ctx.db, row, ctx.now()));
}
