import { missingPostings } from '@holdfast/core/deposits/missing-postings.ts';
import type { Context } from '../context.ts';
import type { LoadedBlock, Network } from '../networks/network.ts';
import { raiseAlarm } from '../store/alarms.ts';
import { appliedAt, lockAppliedAt } from '../store/blocks.ts';
import type { Sql } from '../store/database.ts';
import { hasUnread, knownDeposits } from '../store/deposits.ts';
import { insertEvents } from '../store/events.ts';
import { mustPost } from '../store/ledger/post-batch.ts';
import { transfersOf } from '../store/ledger/transfers.ts';
import { advanceRescan, type RescanRow, runningRescans } from '../store/rescans.ts';
import { decideLoaded, keepStrays, seeDeposits } from './follow-chain.ts';

const blocksPerPass = 50;

/**
 * Reads applied blocks once more, each in one transaction: what was missed is added as if it had been seen then, what is
 * there stays. A block that posted more than it says now is left alone, with an alarm.
 * @returns how many blocks were read.
 * @throws Failure node-unavailable (also when a node has no state of so old a block), node-disagreement.
 */
export async function rescanBlocks(ctx: Context, network: Network): Promise<number> {
  let read = 0;
  while (read < blocksPerPass) {
    const [rescan] = await runningRescans(ctx.db, network.id);
    if (!rescan) return read;
    if (!(await rescanBlock(ctx, network, rescan))) return read;
    read++;
  }
  return read;
}

async function rescanBlock(ctx: Context, network: Network, rescan: RescanRow): Promise<boolean> {
  const height = Number(rescan.next_height);
  const before = await appliedAt(ctx.db, network.id, height);
  const loaded = before && (await network.loadBlock(height, before.hash));
  return ctx.db.transaction(async (sql) => {
    const applied = await lockAppliedAt(sql, network.id, height);
    // Another branch was applied meanwhile: it is read in the next pass.
    if (applied?.id !== before?.id) return true;
    // A height above a tip that a reorg made lower is read when it is followed.
    const found = applied && loaded ? await addMissing(ctx, sql, network, loaded, applied.id) : none;
    return advanceRescan(sql, rescan, found, ctx.now());
  });
}

const none = { deposits: 0, differs: false };

async function addMissing(
  ctx: Context,
  sql: Sql,
  network: Network,
  loaded: LoadedBlock,
  blockId: bigint,
): Promise<{ deposits: number; differs: boolean }> {
  const { height } = loaded.block;
  const nowMs = ctx.now();
  await keepStrays(ctx, sql, network, loaded);
  const changes = await decideLoaded(sql, network, loaded, blockId);
  const postings = missingPostings(blockId, changes.postings, await transfersOf(sql, `block:${blockId}`));
  if (postings === null || (postings.length > 0 && (await hasUnread(sql, blockId)))) {
    const said =
      postings === null ? 'less now than what was posted for it' : 'a balance now that a token did not answer then';
    const message = `block ${height} of ${network.id} says ${said}; nothing was changed`;
    const subject = `${network.id} ${height}`;
    await raiseAlarm(sql, { id: ctx.newId(), code: 'rescan-differs', subject, message }, nowMs);
    return { deposits: 0, differs: true };
  }
  const known = await knownDeposits(sql, network.id, blockId);
  const missed = changes.deposits.filter(({ txid, index, asset }) => !known.has(`${txid} ${index} ${asset}`));
  if (missed.length === 0 && postings.length === 0) return none;
  const events = await seeDeposits(ctx, sql, network, { id: blockId, height }, missed);
  await loaded.record(sql, blockId);
  for (const alarm of changes.alarms) await raiseAlarm(sql, { id: ctx.newId(), ...alarm }, nowMs);
  await insertEvents(sql, events, nowMs);
  await mustPost(sql, postings, nowMs);
  return { deposits: missed.length, differs: false };
}
