import type { CustomerRecordResource } from '@holdfast/core/contract/resources.ts';
import type { CreateSettlementBody } from '@holdfast/core/contract/bodies.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { pairSettlement } from '@holdfast/core/ledger/pair-settlement.ts';
import { customerRecordDigest, customerRecordDigestBytes } from '@holdfast/core/signing/customer-record-digest.ts';
import { isKnownCode } from '@holdfast/core/signing/is-known-code.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import type { Context } from '../context.ts';
import { customerRecordByDigest } from '../store/customer-record-resources.ts';
import { insertCustomerRecords, lockSettlements } from '../store/customer-records.ts';
import { unknownCustomers } from '../store/customers.ts';
import { insertEvents } from '../store/events.ts';
import { postBatch } from '../store/ledger/post-batch.ts';
import { signerIds } from './create-customer-record.ts';
import type { PolicyGate } from './policy-gate.ts';

/**
 * Posts the engine's trades to the ledger, all or none, and makes them due for every signer. The same batch again returns
 * the one that exists.
 * @throws Failure settlement-invalid, unknown-asset, not-found, insufficient-funds, policy-differs, signers-unavailable.
 */
export async function createSettlement(
  ctx: Context,
  policyGate: PolicyGate,
  body: CreateSettlementBody,
): Promise<CustomerRecordResource> {
  const { record, authorization } = body;
  const key = ctx.policy.engine_keys.find((one) => one.key_id === authorization.key_id);
  const publicKey = key && Buffer.from(key.public_key, 'hex');
  if (
    record.engine !== authorization.key_id ||
    !publicKey ||
    !opensslVerifiers.ed25519(publicKey, customerRecordDigestBytes({ record }), authorization.signature)
  ) {
    throw new Failure('settlement-invalid', `no engine key ${authorization.key_id} signed this settlement`);
  }
  const digest = customerRecordDigest({ record });
  const assets = new Set(ctx.config.assets.map(({ code }) => code));
  // An asset that the policy lacks could be posted here and followed by no signer.
  const unknown = record.entries.find(({ asset }) => !assets.has(asset) || !isKnownCode(ctx.policy, asset));
  if (unknown) throw new Failure('unknown-asset', `no asset ${unknown.asset}`, { pointer: '/record/entries' });
  const earlier = await customerRecordByDigest(ctx.db, digest);
  if (earlier) return earlier;
  await policyGate();
  const postings = pairSettlement(record.entries, digest);
  await ctx.db.transaction(async (sql) => {
    const last = await lockSettlements(sql, authorization.key_id);
    if (record.sequence <= last && (await customerRecordByDigest(sql, digest))) return;
    if (record.sequence !== last + 1) {
      throw new Failure('settlement-invalid', `settlement ${record.sequence} does not follow ${last}`, {
        pointer: '/record/sequence',
      });
    }
    const [missing] = await unknownCustomers(sql, new Set(record.entries.map(({ customer }) => customer)));
    if (missing !== undefined) throw new Failure('not-found', `no customer ${missing}`, { pointer: '/record/entries' });
    const id = ctx.newId();
    const nowMs = ctx.now();
    const engine = { keyId: authorization.key_id, sequence: record.sequence };
    await insertCustomerRecords(sql, [{ id, signed: body, customerId: null, engine }], signerIds(ctx), nowMs);
    await insertEvents(
      sql,
      [{ id: ctx.newId(), type: 'settlement.posted', resource: 'customer_record', resourceId: id }],
      nowMs,
    );
    const statuses = await postBatch(sql, postings, nowMs);
    const refused = statuses.findIndex((status) => status !== 'posted');
    if (refused !== -1) {
      throw new Failure(
        'insufficient-funds',
        `${postings[refused]?.debit} has less than settlement ${record.sequence} takes`,
      );
    }
    ctx.step('settlement-before-commit');
  });
  ctx.step('settlement-after-commit');
  const resource = await customerRecordByDigest(ctx.db, digest);
  invariant(resource, 'a settlement that was posted is there');
  return resource;
}
