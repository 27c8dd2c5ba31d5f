import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { HaltView } from '../signers/halt-view.ts';
import { batchWithdrawals } from './batch-withdrawals.ts';
import { broadcastTransactions } from './broadcast-transactions.ts';
import type { SignerPanel } from '../signers/panel.ts';
import { followKeys } from './follow-keys.ts';
import { sweepOldKeys } from './sweep-old-keys.ts';
import { creditDeposits } from './credit-deposits.ts';
import { followChain } from './follow-chain.ts';
import { type Loop, startLoop } from './loop.ts';
import { repairLanes } from './repair-lanes.ts';
import { replacePayments } from './replace-payments.ts';
import { relayPauses } from './relay-pauses.ts';
import { settleTransactions } from './settle-transactions.ts';
import { signTransactions } from './sign-transactions.ts';
import { watchQueue } from './watch-queue.ts';
import { sweepForwarders } from './sweep-forwarders.ts';

/** Pause of the loops that look for withdrawals that wait too long. */
const watchEveryMs = 5_000;
/** Pause of the loops that look after the relayer's accounts. */
const relayEveryMs = 500;
/** Pause of the loops that ask the signers for newer keys. */
const keysEveryMs = 1_000;

/**
 * Starts every network's loops: following, paying and sweeping each go on when another is stuck.
 * @param signers `tell` hands them what they must know before they are asked to sign.
 */
export function runNetworkJobs(
  ctx: Context,
  networks: Iterable<Network>,
  signers: {
    readonly tell: () => Promise<void>;
    readonly isHalted: HaltView['isHalted'];
    readonly panel: Pick<SignerPanel, 'newestKey'>;
    readonly pauses: HaltView['pauses'];
  },
): Loop[] {
  return [...networks].flatMap((network) => {
    const every = network.config.poll_ms;
    const loops = [
      startLoop(ctx, 'follow', network.id, every, async () => {
        const changed = await followChain(ctx, network);
        return changed + (await creditDeposits(ctx, network)) + (await settleTransactions(ctx, network));
      }),
      startLoop(ctx, 'pay', network.id, every, async () => {
        const built = (await batchWithdrawals(ctx, network, signers.isHalted)) === null ? 0 : 1;
        const bumped = await replacePayments(ctx, network, signers.isHalted);
        const signed = await signTransactions(ctx, network, signers.tell);
        return built + bumped + signed + (await broadcastTransactions(ctx, network));
      }),
    ];
    loops.push(startLoop(ctx, 'watch', network.id, watchEveryMs, () => watchQueue(ctx, network)));
    if (network.sweepOldKeys) {
      loops.push(
        startLoop(
          ctx,
          'keys',
          network.id,
          Math.max(every, keysEveryMs),
          async () =>
            (await followKeys(ctx, network, signers.panel)) + (await sweepOldKeys(ctx, network, signers.isHalted)),
        ),
      );
    }
    // Apart from the payments: they wait for signers, an envelope does not.
    if (network.lanes)
      loops.push(startLoop(ctx, 'relay', network.id, Math.max(every, relayEveryMs), () => repairLanes(ctx, network)));
    if (network.sweep) loops.push(startLoop(ctx, 'sweep', network.id, every, () => sweepForwarders(ctx, network)));
    if (network.pause)
      loops.push(startLoop(ctx, 'pause', network.id, every, () => relayPauses(ctx, network, signers.pauses)));
    return loops;
  });
}
