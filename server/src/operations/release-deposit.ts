import type { ReleaseDepositBody } from '@holdfast/core/contract/bodies.ts';
import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { decideRelease } from '@holdfast/core/deposits/decide-release.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { countApprovals } from '@holdfast/core/signing/count-approvals.ts';
import { customerRecordDigest, customerRecordDigestBytes } from '@holdfast/core/signing/customer-record-digest.ts';
import type { ReleaseRecord } from '@holdfast/core/signing/customer-record.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import type { Context } from '../context.ts';
import { taggedHeight } from '../jobs/finality.ts';
import type { Network } from '../networks/network.ts';
import { tipBlock } from '../store/blocks.ts';
import { customerRecordByDigest } from '../store/customer-record-resources.ts';
import { insertCustomerRecords } from '../store/customer-records.ts';
import type { Sql } from '../store/database.ts';
import { lockDeposit, markReleased, type QuarantinedDeposit } from '../store/deposits.ts';
import { insertEvents } from '../store/events.ts';
import { mustPost } from '../store/ledger/post-batch.ts';
import { signerIds } from './create-customer-record.ts';
import type { PolicyGate } from './policy-gate.ts';

/**
 * Takes a deposit out of quarantine as approvers decided, and makes the decision due for every signer: their nodes do not
 * prove the deposit, so without it the credit would move no position. The same decision again changes nothing.
 * @throws Failure not-found, invalid-request (the record is about another deposit), approval-invalid, approval-missing,
 * deposit-not-quarantined, deposit-not-final, policy-differs, signers-unavailable.
 */
export async function releaseDeposit(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  policyGate: PolicyGate,
  id: string,
  body: ReleaseDepositBody,
): Promise<void> {
  const { record, approvals } = body;
  const depositId = parseId('dep', id);
  const needed = Math.max(1, ctx.policy.positions.approvals);
  const { total } = countApprovals(approvals, customerRecordDigestBytes({ record }), ctx.policy, opensslVerifiers);
  if (total < needed) throw new Failure('approval-missing', `a release needs ${needed} approvals and has ${total}`);
  await policyGate();
  await ctx.db.transaction(async (sql) => {
    const deposit = await lockDeposit(sql, depositId);
    if (!deposit) throw new Failure('not-found', `no deposit ${id}`);
    checkSubject(deposit, record);
    const earlier = await customerRecordByDigest(sql, customerRecordDigest({ record }));
    if (earlier && parseId('rec', earlier.id) === deposit.release_id) return;
    if (deposit.state !== 'quarantined' || earlier) {
      throw new Failure(
        'deposit-not-quarantined',
        `${id} is ${deposit.state}${earlier ? ', decided about before' : ''}`,
      );
    }
    const network = networks.get(deposit.network);
    if (!network) throw new Failure('unknown-network', `no network ${deposit.network}`);
    await mustBeFinal(sql, network, deposit, await taggedHeight(ctx, network));
    await store(ctx, sql, network, deposit, body);
    ctx.step('release-before-commit');
  });
  ctx.step('release-after-commit');
}

/** What approvers read must be what is in quarantine, to the last field. */
function checkSubject(deposit: QuarantinedDeposit, record: ReleaseRecord): void {
  const expected: Partial<ReleaseRecord> = {
    customer: formatId('cus', deposit.customer_id),
    network: deposit.network,
    asset: deposit.asset,
    amount: deposit.amount.toString(),
    address: deposit.address,
    txid: deposit.txid,
    index: deposit.idx,
    block_hash: deposit.block_hash.replace(/^0x/, ''),
  };
  for (const [name, value] of Object.entries(expected)) {
    const given = record[name as keyof ReleaseRecord];
    if (given !== value) {
      throw new Failure('invalid-request', `the deposit’s ${name} is ${value}, not ${given}`, {
        pointer: `/record/${name}`,
      });
    }
  }
}

/** A decision is not taken back by a reorg at the signers; it is made when none is expected any more. */
async function mustBeFinal(sql: Sql, network: Network, deposit: QuarantinedDeposit, tagged: number): Promise<void> {
  if (Number(deposit.height) > tagged)
    throw new Failure('deposit-not-final', `the nodes call nothing above block ${tagged} final`);
  const tip = await tipBlock(sql, network.id);
  const depth = tip === null ? 0 : tip.height - Number(deposit.height) + 1;
  const needed = Math.max(deposit.confirmations_required, network.config.final_confirmations);
  if (depth < needed) throw new Failure('deposit-not-final', `the deposit is ${depth} deep, not ${needed}`);
}

async function store(
  ctx: Context,
  sql: Sql,
  network: Network,
  deposit: QuarantinedDeposit,
  body: ReleaseDepositBody,
): Promise<void> {
  const nowMs = ctx.now();
  const { decision } = body.record;
  const releaseId = ctx.newId();
  const records = [{ id: releaseId, signed: body, customerId: deposit.customer_id }];
  const fresh = await insertCustomerRecords(sql, records, signerIds(ctx), nowMs);
  invariant(fresh.size === 1, 'a decision that was not there is new');
  await markReleased(sql, deposit.id, decision === 'credit' ? 'seen' : 'kept', releaseId);
  const type = decision === 'credit' ? 'deposit.released' : 'deposit.kept';
  await insertEvents(sql, [{ id: ctx.newId(), type, resource: 'deposit', resourceId: deposit.id }], nowMs);
  await mustPost(sql, [decideRelease(network.id, { ...deposit, releaseId, decision })], nowMs);
}
