import { parseId } from '@holdfast/core/contract/ids.ts';
import type { CustomerRecordResource } from '@holdfast/core/contract/resources.ts';
import type { CreateCustomerRecordBody } from '@holdfast/core/contract/bodies.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { customerRecordDigest, customerRecordDigestBytes } from '@holdfast/core/signing/customer-record-digest.ts';
import type { CustomerRecord } from '@holdfast/core/signing/customer-record.ts';
import { isAssertion } from '@holdfast/core/signing/evidence.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { customerRecordByDigest } from '../store/customer-record-resources.ts';
import { countOwnChanges, customerCredential, insertCustomerRecords } from '../store/customer-records.ts';
import type { Sql } from '../store/database.ts';
import { insertEvents } from '../store/events.ts';
import { lockCustomer } from '../store/lock-customer.ts';
import { verifyAuthorization } from './verify-authorization.ts';

const dayMs = 86_400_000;
/** Additions, and removals, that one customer's passkeys may ask for in 24 hours. */
export const changesPerDayMax = 100;
/** Of these so many may wait for signers. */
export const changesWaitingMax = 20;

/**
 * Takes a customer's passkey or address-book entry and makes it due for every signer. Its event is what tells the
 * customer out of band: whoever did not ask for it has the policy's delay to object. The same record again returns the one
 * that exists.
 * @throws Failure authorization-invalid, credential-unknown, not-found, unknown-network, invalid-address, and for what a
 * customer's own passkey asks for limit-exceeded (too much in a day), rate-limited (too much that signers must judge first).
 */
export async function createCustomerRecord(
  ctx: Context,
  networks: ReadonlyMap<string, Network>,
  body: CreateCustomerRecordBody,
): Promise<CustomerRecordResource> {
  const { record, authorization } = body;
  const customerId = parseId('cus', record.customer, '/record/customer');
  if (record.kind === 'destination') checkDestination(networks, record);
  const digestBytes = customerRecordDigestBytes({ record });
  const may = record.kind === 'credential' ? 'enrol' : 'add-destination';
  await verifyAuthorization(ctx.policy, authorization, digestBytes, may, (id) =>
    customerCredential(ctx.db, customerId, id),
  );
  await ctx.db.transaction(async (sql) => {
    if (!(await lockCustomer(sql, customerId)))
      throw new Failure('not-found', `no customer ${record.customer}`, { pointer: '/record/customer' });
    const id = ctx.newId();
    const nowMs = ctx.now();
    if (isAssertion(authorization) && !(await customerRecordByDigest(sql, customerRecordDigest({ record }))))
      await refuseTooMany(ctx, sql, customerId, record.action);
    const signed = body as CustomerRecord;
    const fresh = await insertCustomerRecords(sql, [{ id, signed, customerId }], signerIds(ctx), nowMs);
    if (fresh.size === 0) return;
    const type = `${record.kind}.${record.action === 'add' ? 'added' : 'removed'}`;
    await insertEvents(sql, [{ id: ctx.newId(), type, resource: 'customer_record', resourceId: id }], nowMs);
    ctx.step('record-before-commit');
  });
  ctx.step('record-after-commit');
  const resource = await customerRecordByDigest(ctx.db, customerRecordDigest({ record }));
  invariant(resource, 'a record that was stored is there');
  return resource;
}

/** Whoever has a passkey must not be able to fill the signers' journals, nor the way there. */
async function refuseTooMany(ctx: Context, sql: Sql, customerId: string, action: 'add' | 'remove'): Promise<void> {
  const { signers, quorum } = ctx.config;
  // Additions and removals apart: many additions keep nobody from removing what was stolen.
  const { recent, waiting } = await countOwnChanges(
    sql,
    customerId,
    action,
    ctx.now() - dayMs,
    signers.length - quorum,
  );
  if (recent >= changesPerDayMax) {
    throw new Failure('limit-exceeded', `the customer has signed ${recent} changes in 24 hours`, {
      fix: 'Wait for the rolling window to pass, or let an integrator key sign the change.',
    });
  }
  if (waiting >= changesWaitingMax) {
    throw new Failure('rate-limited', `${waiting} changes of the customer wait for the signers`, {
      fix: 'Wait until the signers have judged the earlier ones.',
    });
  }
}

export const signerIds = (ctx: Context): string[] => ctx.config.signers.map(({ id }) => id);

function checkDestination(networks: ReadonlyMap<string, Network>, record: { network: string; address: string }): void {
  const network = networks.get(record.network);
  if (!network) throw new Failure('unknown-network', `no network ${record.network}`, { pointer: '/record/network' });
  const canonical = network.parseAddress(record.address, '/record/address');
  if (canonical !== record.address) {
    throw new Failure('invalid-address', `write the address as ${canonical}: signers compare it letter by letter`, {
      pointer: '/record/address',
    });
  }
}
