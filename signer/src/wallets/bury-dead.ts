import { Failure } from '@holdfast/core/failure.ts';
import type { NetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { ReviewedTransaction } from '@holdfast/core/signing/decide-acceptance.ts';
import { obstacles, type SignedTransaction } from '@holdfast/core/signing/journal-state.ts';
import type { Journal } from '../journal/journal.ts';

/**
 * Journals which earlier transactions of the reviewed intents can never confirm, so that they no longer forbid a new one.
 * What the nodes cannot prove, or too few of them, stays an obstacle.
 * @param reviewed its evidence holds and names this network: other networks' transactions are not for these nodes to judge.
 * @param endpoints how many there are.
 * @param findDead asks all endpoints; only what they all call final is proof.
 */
export async function buryDead(
  journal: Journal,
  reviewed: Pick<ReviewedTransaction, 'network' | 'conflictKeys' | 'intents'>,
  network: NetworkPolicy,
  endpoints: number,
  findDead: (earlier: readonly SignedTransaction[]) => Promise<readonly SignedTransaction[]>,
): Promise<void> {
  // A peer's reservation is judged without nodes; this part of it is not, and never by fewer than may lie together.
  if (endpoints < Math.max(network.burial_endpoints_min, network.node_faults + 1)) return;
  const digests = reviewed.intents.map((intent) => intent.digest);
  const inTheWay = obstacles(journal.state, digests, reviewed).filter((one) => one.network === reviewed.network);
  if (inTheWay.length === 0) return;
  const dead = await findDead(inTheWay).catch((error: unknown) => {
    if (error instanceof Failure) return [];
    throw error;
  });
  for (const { txid } of dead) {
    // Another request may have buried it while the nodes were asked.
    if (!journal.state.buried.has(`${reviewed.network} ${txid}`)) {
      await journal.append({ kind: 'buried', body: { network: reviewed.network, txid } });
    }
  }
}
