import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import type { HaltView } from '../signers/halt-view.ts';
import { batchWithdrawals } from './batch-withdrawals.ts';
import { balanceHotWallet } from './balance-hot-wallet.ts';
import { broadcastTransactions } from './broadcast-transactions.ts';
import type { SignerPanel } from '../signers/panel.ts';
import { followKeys } from './follow-keys.ts';
import { moveOwnCoins } from './move-own-coins.ts';
import { creditDeposits } from './credit-deposits.ts';
import { followChain } from './follow-chain.ts';
import type { Loop, StartLoop } from './loop.ts';
import { openColdWallets } from './open-cold-wallets.ts';
import { reconcileChain } from './reconcile-chain.ts';
import { repairLanes } from './repair-lanes.ts';
import { replacePayments } from './replace-payments.ts';
import { relayPauses } from './relay-pauses.ts';
import { rescanBlocks } from './rescan-blocks.ts';
import { settleTransactions } from './settle-transactions.ts';
import { signTransactions } from './sign-transactions.ts';
import { watchMempool } from './watch-mempool.ts';
import { watchQueue } from './watch-queue.ts';
import { sweepForwarders } from './sweep-forwarders.ts';
import { watchNodes } from './watch-nodes.ts';

/** Least pause of the loops that look at endpoints. */
const nodesEveryMs = 250;
/** Pause of the loops that look for a rescan to go on with. */
const rescansEveryMs = 1_000;
/** Least pause of the loops that look whether a comparison with the chain is due. */
const reconcileEveryMs = 500;
/** Pause of the loops that look for withdrawals that wait too long. */
const watchEveryMs = 5_000;
/** Pause of the loops that look whether too much or too little is hot. */
const hotEveryMs = 1_000;
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
  startLoop: StartLoop,
): Loop[] {
  return [...networks].flatMap((network) => {
    const every = network.config.poll_ms;
    let watching = false;
    const openCold = openColdWallets(ctx, network);
    const loops = [
      startLoop(ctx, 'follow', network.id, every, async () => {
        if (!watching) await network.watchAll();
        watching = true;
        const changed = (await openCold()) + (await followChain(ctx, network));
        return changed + (await creditDeposits(ctx, network)) + (await settleTransactions(ctx, network));
      }),
      // Each process remembers by itself which endpoints count, and this alone lets one count again.
      startLoop(ctx, 'nodes', network.id, Math.max(every, nodesEveryMs), watchNodes(ctx, network), {
        everywhere: true,
      }),
      startLoop(ctx, 'reconcile', network.id, Math.max(every, reconcileEveryMs), () => reconcileChain(ctx, network)),
      startLoop(ctx, 'pay', network.id, every, async () => {
        const built = (await batchWithdrawals(ctx, network, signers.isHalted)) === null ? 0 : 1;
        const bumped = await replacePayments(ctx, network, signers.isHalted);
        const signed = await signTransactions(ctx, network, signers.tell);
        return built + bumped + signed + (await broadcastTransactions(ctx, network));
      }),
    ];
    loops.push(startLoop(ctx, 'watch', network.id, watchEveryMs, () => watchQueue(ctx, network)));
    // Apart: old blocks that a node has no state of must not keep new ones waiting.
    loops.push(startLoop(ctx, 'rescan', network.id, Math.max(every, rescansEveryMs), () => rescanBlocks(ctx, network)));
    const mempoolMs = network.config.family === 'bitcoin' ? network.config.mempool_ms : undefined;
    if (network.mempool && mempoolMs !== undefined)
      loops.push(startLoop(ctx, 'mempool', network.id, mempoolMs, watchMempool(ctx, network, network.mempool)));
    if (network.moveOwnCoins) {
      loops.push(
        startLoop(
          ctx,
          'keys',
          network.id,
          Math.max(every, keysEveryMs),
          async () =>
            (await followKeys(ctx, network, signers.panel)) + (await moveOwnCoins(ctx, network, signers.isHalted)),
        ),
      );
    }
    const balance = balanceHotWallet(ctx, network, signers.isHalted);
    loops.push(startLoop(ctx, 'skim', network.id, Math.max(every, hotEveryMs), balance));
    // Apart from the payments: they wait for signers, an envelope does not.
    if (network.lanes)
      loops.push(startLoop(ctx, 'relay', network.id, Math.max(every, relayEveryMs), () => repairLanes(ctx, network)));
    if (network.sweep) loops.push(startLoop(ctx, 'sweep', network.id, every, () => sweepForwarders(ctx, network)));
    if (network.pause)
      loops.push(startLoop(ctx, 'pause', network.id, every, () => relayPauses(ctx, network, signers.pauses)));
    return loops;
  });
}
