import { formatId } from '@holdfast/core/contract/ids.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { createAdjustment } from '../operations/create-adjustment.ts';
import { createCustomerRecord } from '../operations/create-customer-record.ts';
import { createSettlement } from '../operations/create-settlement.ts';
import { releaseDeposit } from '../operations/release-deposit.ts';
import { noteAccepted, quarantinedAt } from '../store/rebuild.ts';
import type { LostRecord } from './find-lost.ts';
import type { RebuildReport } from './report.ts';

/** What signers have judged already is not asked of them again. */
const noGate = async (): Promise<void> => undefined;

/**
 * Puts back what signers were told about customers, through the same checks of the same evidence as when it came first.
 * Where to look for deposits is not put back: the blocks say it again.
 */
export async function restoreRecords(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  records: readonly LostRecord[],
  report: RebuildReport,
): Promise<void> {
  for (const { digest, signed, effectiveAtMs } of inSequence(records)) {
    try {
      await restoreRecord(ctx, networks, signed);
      report.restored.records += 1;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      report.notes.push(`${signed.record.kind} record ${digest}: ${error.code}: ${error.message}`);
      continue;
    }
    for (const [signer, atMs] of effectiveAtMs) await noteAccepted(ctx.db, digest, signer, atMs === 0 ? null : atMs);
  }
}

async function restoreRecord(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  signed: LostRecord['signed'],
): Promise<void> {
  const { record } = signed;
  if (record.kind === 'settlement') {
    const { authorization } = signed as Extract<LostRecord['signed'], { record: typeof record }>;
    await createSettlement(ctx, noGate, { record, authorization });
  } else if (record.kind === 'adjustment') {
    const { approvals } = signed as Extract<LostRecord['signed'], { record: typeof record }>;
    await createAdjustment(ctx, noGate, { record, approvals });
  } else if (record.kind === 'release') {
    const { approvals } = signed as Extract<LostRecord['signed'], { record: typeof record }>;
    const deposit = await quarantinedAt(ctx.db, record);
    if (deposit === null) {
      const where = `${record.txid} ${record.index} of ${record.network}`;
      throw new Failure('not-found', `the deposit ${where} is not seen again yet: hand the decision in when it is`);
    }
    await releaseDeposit(ctx, networks, noGate, formatId('dep', deposit), { record, approvals });
  } else if (record.kind !== 'deposit') {
    const { authorization } = signed as Extract<LostRecord['signed'], { record: typeof record }>;
    await createCustomerRecord(ctx, networks, { record, authorization });
  }
}

/** A signer that was away may have heard of a later batch first. */
function inSequence(records: readonly LostRecord[]): LostRecord[] {
  const place = ({ signed: { record } }: LostRecord): number => (record.kind === 'settlement' ? record.sequence : 0);
  return records.toSorted((a, b) => place(a) - place(b) || a.atMs - b.atMs);
}
