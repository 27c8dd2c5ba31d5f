import { Failure } from '@holdfast/core/failure.ts';
import type { NetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { SendRpc } from './json-rpc.ts';

/**
 * With k nodes that may lie, k + 1 must agree. There is no fallback to fewer.
 * @throws Failure nodes-too-few.
 */
export function assertEnoughNodes(
  endpoints: readonly SendRpc[],
  network: Pick<NetworkPolicy, 'network' | 'node_faults'>,
): void {
  const distinct = new Set(endpoints).size;
  if (distinct <= network.node_faults) {
    throw new Failure(
      'nodes-too-few',
      `${network.network} has ${distinct} endpoints; with ${network.node_faults} that may lie it takes ${network.node_faults + 1}`,
    );
  }
}
