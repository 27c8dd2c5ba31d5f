import { unreadSubject } from '@holdfast/core/deposits/decide-block.ts';
import type { Network } from '../networks/network.ts';
import { openSubjects } from '../store/alarms.ts';
import type { Sql } from '../store/database.ts';

/**
 * Assets of a network whose token has answered no balance, until an operator closes the alarm: nothing of them is credited,
 * collected or paid, and the rest of the network goes on.
 */
export async function assetsSetAside(sql: Sql, network: Network): Promise<string[]> {
  const open = await openSubjects(sql, 'token-unread');
  return network.config.assets.map(({ asset }) => asset).filter((asset) => open.has(unreadSubject(network.id, asset)));
}
