import { policyDigest } from '@holdfast/core/policy/policy.ts';
import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { customerRecordDigestBytes } from '@holdfast/core/signing/customer-record-digest.ts';
import type { SettlementRecord } from '@holdfast/core/signing/customer-record.ts';
import { assertionBy, signatureBy } from '@holdfast/core/signing/evidence.test-support.ts';
import { expect, it } from 'vitest';
import type { Context } from '../context.ts';
import { createAdjustment } from './create-adjustment.ts';
import { createSettlement } from './create-settlement.ts';
import { policyGate } from './policy-gate.ts';

const policy = samplePolicy();
const own = policyDigest(policy);
const other = 'ab'.repeat(32);
const customer = 'cus_00000000-0000-7000-8000-000000000000';

/** The database has nothing, and nothing may be written to it. */
function contextOf(): Context {
  const db = {
    query: async () => [],
    transaction: () => {
      throw new Error('written');
    },
  };
  const config = { quorum: 2, assets: ['ETH', 'DOGE'].map((code) => ({ code })) };
  return { policy, config, db, now: () => 5 } as unknown as Context;
}

const gateOf = (...reported: string[]) => policyGate(contextOf(), { policiesInForce: async () => reported });

it.each([
  ['all have it', [own, own, own]],
  ['one is away', [own, own]],
  ['one has another', [other, own, own]],
])('lets through when %s', async (_what, reported) => {
  await gateOf(...reported)();
});

it.each([
  ['a quorum has another', [own, other, other], 'policy-differs'],
  ['one has it and one another', [own, other], 'policy-differs'],
  ['two are away', [own], 'signers-unavailable'],
  ['nobody answers', [], 'signers-unavailable'],
])('refuses when %s', async (_what, reported, code) => {
  await expect(gateOf(...reported)()).rejects.toMatchObject({ code });
});

function settlement(asset: string) {
  const entries = ['5', '-5'].map((amount) => ({ customer, asset, amount }));
  const record: SettlementRecord = { version: 1, kind: 'settlement', engine: 'engine-1', sequence: 1, entries };
  return { record, authorization: signatureBy('engine-1', customerRecordDigestBytes({ record })) };
}

function adjustment(asset: string) {
  const what = { customer, asset, amount: '5', reason: 'test', nonce: 'nonce-0001' };
  const record = { version: 1, kind: 'adjustment', ...what } as const;
  const digest = customerRecordDigestBytes({ record });
  const approvals = ['approver-1', 'approver-2'].map((name) => assertionBy(name, digest, policy.webauthn.approvals));
  return { record, approvals };
}

it('stands before every settlement and adjustment', async () => {
  const [open, shut] = [gateOf(own, own), gateOf(own, other, other)];
  const ctx = contextOf();
  await expect(createSettlement(ctx, shut, settlement('ETH'))).rejects.toMatchObject({ code: 'policy-differs' });
  await expect(createSettlement(ctx, open, settlement('ETH'))).rejects.toThrow('written');
  await expect(createAdjustment(ctx, shut, adjustment('ETH'))).rejects.toMatchObject({ code: 'policy-differs' });
  await expect(createAdjustment(ctx, open, adjustment('ETH'))).rejects.toThrow('written');
});

it('is not asked about an asset that the policy lacks, though the server has it: no signer could follow', async () => {
  const gate = gateOf(own, own);
  await expect(createSettlement(contextOf(), gate, settlement('DOGE'))).rejects.toMatchObject({
    code: 'unknown-asset',
  });
  await expect(createAdjustment(contextOf(), gate, adjustment('DOGE'))).rejects.toMatchObject({
    code: 'unknown-asset',
  });
});
