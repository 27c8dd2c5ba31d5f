import type { Context } from '../context.ts';
import { creditDeposits } from '../jobs/credit-deposits.ts';
import { followChain } from '../jobs/follow-chain.ts';
import { followKeys } from '../jobs/follow-keys.ts';
import { rollBackTip } from '../jobs/roll-back-tip.ts';
import type { Network } from '../networks/network.ts';
import type { SignerPanel } from '../signers/panel.ts';
import type { SignerJournals } from '../signers/signer-journals.ts';
import { raiseAlarm } from '../store/alarms.ts';
import {
  finishRebuild,
  noteLoss,
  noteRolledBack,
  openRebuild,
  raiseMark,
  type Rebuild,
  saveJournalPlaces,
} from '../store/database-watch.ts';
import { abandonEmpty, builtTransactions, rebuildAlone, skipEventNumbers, tipAppliedSince } from '../store/rebuild.ts';
import { adoptingRelayed } from './adopt-relayed.ts';
import { describeLost, findLost, type Finding, isNothing, type Lost, lostFromMs } from './find-lost.ts';
import { holdAgain } from './hold-again.ts';
import { emptyReport, type RebuildReport } from './report.ts';
import { settleTransactions } from '../jobs/settle-transactions.ts';
import { restoreAddresses, restoreCustomers, vouchForPending } from './restore-customers.ts';
import { restoreRecords } from './restore-records.ts';
import { restoreTransactions } from './restore-transactions.ts';

export interface RebuildDeps {
  readonly networks: ReadonlyMap<string, Network>;
  readonly panel: SignerPanel;
  readonly journals: SignerJournals;
}

/** More events than anybody will have been told of since the backup. */
const eventGap = 1_000_000;

/**
 * Puts back what a database lacks that was restored from an older backup: customers, addresses, records and transactions from
 * the signers' journals, deposits and what was mined from the blocks. Each step is one database transaction that changes
 * nothing when it comes again, so that it may be killed at any place and run again; servers wait until it has finished.
 * @returns what was done; null when signers know of nothing that the database lacks.
 * @throws Failure signers-unavailable, node-unavailable, node-disagreement: run it again. already-running: another one works.
 */
export async function rebuildDatabase(ctx: Context, deps: RebuildDeps): Promise<RebuildReport | null> {
  return rebuildAlone(ctx.db, () => putBack(ctx, deps));
}

async function putBack(ctx: Context, deps: RebuildDeps): Promise<RebuildReport | null> {
  const found = await findLost(ctx, deps.journals);
  const rebuild = await begin(ctx, found);
  if (!rebuild) return null;
  const report = emptyReport(rebuild.lost, Number(rebuild.lost_from_ms));
  report.signers_away.push(...found.away);
  const { networks } = deps;
  await takeOff(ctx, networks, rebuild, report);
  for (const network of networks.values()) await followKeys(ctx, network, deps.panel);
  await restoreCustomers(ctx, found, report);
  await restoreAddresses(ctx, networks, found, report);
  await restoreRecords(ctx, networks, found.records.filter(isEarly), report);
  await restoreTransactions(ctx, networks, found.transactions, report);
  for (const network of networks.values()) await readBlocks(ctx, network, report);
  // Trades and holds take what the deposits have brought, and were decided when it was there.
  await restoreRecords(
    ctx,
    networks,
    found.records.filter((one) => !isEarly(one)),
    report,
  );
  await holdAgain(ctx, report);
  for (const network of networks.values()) {
    while ((await settleTransactions(ctx, network)) > 0);
    await reclaim(ctx, network);
  }
  await vouchForPending(ctx, deps.panel, Number(rebuild.lost_from_ms), report);
  return finish(ctx, deps, rebuild, report);
}

/** What is needed to judge other things, and moves no money. */
const isEarly = ({ signed: { record } }: Lost['records'][number]): boolean => record.kind !== 'settlement';

/** Notes what is lost, unless an earlier run has: what that one put back is no measure any more. */
async function begin(ctx: Context, found: Finding): Promise<Rebuild | null> {
  const earlier = await openRebuild(ctx.db);
  if (earlier || isNothing(found)) return earlier;
  const loss = { id: ctx.newId(), lostFromMs: lostFromMs(found), lost: describeLost(found) };
  await noteLoss(ctx.db, loss, ctx.now());
  return openRebuild(ctx.db);
}

/** Takes off the blocks that a server applied without knowing what was lost. */
async function takeOff(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  rebuild: Rebuild,
  report: RebuildReport,
): Promise<void> {
  if (rebuild.rolled_back) return;
  for (const network of networks.values()) {
    for (;;) {
      const tip = await tipAppliedSince(ctx.db, network.id, rebuild.lost_from_ms);
      if (!tip) break;
      await rollBackTip(ctx, network, tip);
      report.read_again.blocks_taken_off += 1;
    }
  }
  await noteRolledBack(ctx.db, rebuild.id);
}

async function readBlocks(ctx: Context, network: Network, report: RebuildReport): Promise<void> {
  const adopting = adoptingRelayed(ctx, network, report);
  for (;;) {
    const changed = await followChain(ctx, adopting);
    const credited = await creditDeposits(ctx, network);
    report.read_again.blocks_applied += changed;
    report.read_again.deposits_credited += credited;
    if (changed + credited === 0) return;
  }
}

/** What no block has can be signed again: the same bytes, by the same signers. */
async function reclaim(ctx: Context, network: Network): Promise<void> {
  await ctx.db.transaction(async (sql) => {
    await abandonEmpty(sql, network.id);
    for (const id of await builtTransactions(sql, network.id)) await network.rebuild?.reclaim(sql, id);
  });
}

async function finish(
  ctx: Context,
  { journals }: RebuildDeps,
  rebuild: Rebuild,
  report: RebuildReport,
): Promise<RebuildReport> {
  const { places, addresses, transactions, records } = await findLost(ctx, journals);
  report.left = [
    ...addresses.map(({ address, customer }) => `address ${address} of ${customer}`),
    ...transactions.map(({ network, txid }) => `transaction ${txid} of ${network}`),
    ...records.map(({ digest, signed }) => `${signed.record.kind} record ${digest}`),
  ];
  const nowMs = ctx.now();
  await ctx.db.transaction(async (sql) => {
    const id = ctx.newId();
    const message = `rebuilt what was lost since ${report.lost_from}: ${report.lost}; ${report.left.length} of it could not be put back, ${report.notes.length} notes`;
    await raiseAlarm(sql, { id, code: 'database-rebuilt', subject: rebuild.id, message }, nowMs);
    await skipEventNumbers(sql, { id: ctx.newId(), alarmId: id, gap: eventGap }, nowMs);
    await saveJournalPlaces(sql, places);
    await raiseMark(sql);
    await finishRebuild(sql, rebuild.id, report, nowMs);
  });
  return report;
}
