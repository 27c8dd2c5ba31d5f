import { parseId } from '@holdfast/core/contract/ids.ts';
import type { CustomerRecordResource } from '@holdfast/core/contract/resources.ts';
import type { CreateAdjustmentBody } from '@holdfast/core/contract/bodies.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { countApprovals } from '@holdfast/core/signing/count-approvals.ts';
import { customerRecordDigest, customerRecordDigestBytes } from '@holdfast/core/signing/customer-record-digest.ts';
import { isKnownCode } from '@holdfast/core/signing/is-known-code.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import type { Context } from '../context.ts';
import { customerRecordByDigest } from '../store/customer-record-resources.ts';
import { insertCustomerRecords } from '../store/customer-records.ts';
import { insertEvents } from '../store/events.ts';
import { lockCustomer } from '../store/lock-customer.ts';
import { signerIds } from './create-customer-record.ts';
import type { PolicyGate } from './policy-gate.ts';

/**
 * Takes an approved correction of a customer's proven position and makes it due for every signer. The ledger is not
 * touched: it is for what the ledger has and the signers could not prove.
 * @throws Failure approval-invalid, approval-missing, unknown-asset, not-found, policy-differs, signers-unavailable.
 */
export async function createAdjustment(
  ctx: Context,
  policyGate: PolicyGate,
  body: CreateAdjustmentBody,
): Promise<CustomerRecordResource> {
  const { record, approvals } = body;
  const customerId = parseId('cus', record.customer, '/record/customer');
  const needed = Math.max(1, ctx.policy.positions.approvals);
  const { total } = countApprovals(approvals, customerRecordDigestBytes({ record }), ctx.policy, opensslVerifiers);
  if (total < needed) throw new Failure('approval-missing', `an adjustment needs ${needed} approvals and has ${total}`);
  if (!isKnownCode(ctx.policy, record.asset))
    throw new Failure('unknown-asset', `no asset ${record.asset}`, { pointer: '/record/asset' });
  const earlier = await customerRecordByDigest(ctx.db, customerRecordDigest({ record }));
  if (earlier) return earlier;
  await policyGate();
  await ctx.db.transaction(async (sql) => {
    if (!(await lockCustomer(sql, customerId)))
      throw new Failure('not-found', `no customer ${record.customer}`, { pointer: '/record/customer' });
    const id = ctx.newId();
    const nowMs = ctx.now();
    const fresh = await insertCustomerRecords(sql, [{ id, signed: body, customerId }], signerIds(ctx), nowMs);
    if (fresh.size === 0) return;
    await insertEvents(
      sql,
      [{ id: ctx.newId(), type: 'adjustment.added', resource: 'customer_record', resourceId: id }],
      nowMs,
    );
  });
  const resource = await customerRecordByDigest(ctx.db, customerRecordDigest({ record }));
  invariant(resource, 'a record that was stored is there');
  return resource;
}
