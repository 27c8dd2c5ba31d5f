import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { assertionBy } from '@holdfast/core/signing/evidence.test-support.ts';
import {
  type AuthorizedIntent,
  intentDigest,
  intentDigestHex,
  type WithdrawalIntent,
} from '@holdfast/core/signing/intent.ts';
import type { Context } from '@holdfast/server/context.ts';
import { batchWithdrawals } from '@holdfast/server/jobs/batch-withdrawals.ts';
import { signTransactions } from '@holdfast/server/jobs/sign-transactions.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { approveWithdrawal } from '@holdfast/server/operations/approve-withdrawal.ts';
import { insertTransaction } from '@holdfast/server/store/chain-transactions.ts';
import { createCustomer } from '@holdfast/server/store/customers.ts';
import { assignToTransaction, insertWithdrawal, lockWithdrawal } from '@holdfast/server/store/withdrawals.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

/* The jobs on a real database, with a network and signers that only note what they are asked. */

const networkId = 'eip155:31337';
const first = samplePolicy();
const eth = 1_000_000_000_000_000_000n;
const assets = first.networks.flatMap((network) => (network.family === 'evm' ? network.assets : []));
const caip19 = (code: string): string => assets.find((one) => one.code === code)!.asset;

let database: TestDatabase;
let customerId: string;
const nowMs = Date.now();
let made = 0;
const newId = (): string => uuidV7(nowMs + made++);

beforeAll(async () => {
  database = await testDatabase();
  const customer = await createCustomer(database.db, { client_reference: 'jobs' }, newId, nowMs);
  customerId = parseId('cus', customer.id);
});
afterAll(() => database?.close());
beforeEach(async () => {
  await database.db.query('truncate withdrawal_attempt, withdrawal_approval, withdrawal, chain_transaction cascade');
});

function contextOf(policy: Policy): Context {
  const ctx = { db: database.db, policy, now: () => nowMs, newId, step: () => undefined, log: () => undefined };
  return ctx as unknown as Context;
}

async function ask(asset: 'ETH' | 'USDT', amount: bigint, state: 'queued' | 'awaiting_approval' = 'queued') {
  const id = newId();
  const intent: WithdrawalIntent = {
    version: 1,
    kind: 'withdrawal',
    network: networkId,
    asset: caip19(asset),
    amount: String(amount),
    destination: `0x${'ab'.repeat(20)}`,
    memo: null,
    customer: formatId('cus', customerId),
    fee_max: '0',
    expires_at: new Date(nowMs + 3_600_000).toISOString(),
    nonce: `nonce-${id}`,
  };
  await insertWithdrawal(database.db, {
    id,
    customer_id: customerId,
    client_reference: id,
    network: networkId,
    asset,
    amount,
    fee: 0n,
    destination: intent.destination,
    memo: null,
    intent,
    digest: intentDigestHex(intent),
    authorization: { key_id: 'integrator-1', signature: '00'.repeat(64) },
    approvals_needed: 0,
    expires_at_ms: BigInt(nowMs + 3_600_000),
    state,
    created_at_ms: BigInt(nowMs),
  });
  return { id, intent };
}

test('a halted asset that fills whole batches keeps nothing of its network waiting', async () => {
  const ctx = contextOf(first);
  for (let i = 0; i < 5; i++) await ask('USDT', 1n);
  const payable = await ask('ETH', 1n);
  const surveyed: string[][] = [];
  const network = {
    id: networkId,
    config: {
      batch_size_max: 2,
      batch_wait_ms: 0,
      assets: ['ETH', 'USDT'].map((asset) => ({ asset, caip19: caip19(asset) })),
    },
    surveyBatch: async (payouts: { id: string }[]) => {
      surveyed.push(payouts.map(({ id }) => id));
      return { payable: [], impossible: [], waiting: [] };
    },
  } as unknown as Network;
  let halted: string | null = caip19('USDT');
  const isHalted = (_network: string, asset: string | null): boolean => asset !== null && asset === halted;
  await batchWithdrawals(ctx, network, isHalted);
  expect(surveyed).toEqual([[payable.id]]);
  halted = null;
  await batchWithdrawals(ctx, network, isHalted);
  expect(surveyed[1]).toHaveLength(2);
  expect(surveyed[1]).not.toContain(payable.id);
});

test('the approval of somebody who has left the policy neither counts nor spoils the others', async () => {
  const { id, intent } = await ask('ETH', 60n * eth, 'awaiting_approval');
  const name = formatId('wd', id);
  const approvalBy = (approver: string) => assertionBy(approver, intentDigest(intent), first.webauthn.approvals);
  await approveWithdrawal(contextOf(first), name, approvalBy('approver-1'));

  const later = samplePolicy((policy) => policy.approvers.shift());
  const ctx = contextOf(later);
  const stateOf = async () => (await lockWithdrawal(database.db, id))?.state;
  await approveWithdrawal(ctx, name, approvalBy('approver-3'));
  expect(await stateOf()).toBe('awaiting_approval');
  await expect(approveWithdrawal(ctx, name, approvalBy('approver-1'))).rejects.toMatchObject({
    code: 'approval-invalid',
  });
  await approveWithdrawal(ctx, name, approvalBy('approver-2'));
  expect(await stateOf()).toBe('queued');

  const transaction = newId();
  const row = {
    id: transaction,
    network: networkId,
    kind: 'withdrawal',
    unsigned: {},
    conflictKeys: [],
    refs: [],
  } as const;
  await insertTransaction(database.db, row, nowMs);
  await assignToTransaction(database.db, [id], transaction, nowMs);
  const offered: (readonly AuthorizedIntent[])[] = [];
  const network = {
    id: networkId,
    sign: async (_unsigned: object, intents: readonly AuthorizedIntent[]) => {
      offered.push(intents);
      return { seal: async () => ({ raw: Uint8Array.of(1), txid: '0xabc', refs: [], relayerNonce: null }) };
    },
  } as unknown as Network;
  expect(await signTransactions(ctx, network, async () => undefined)).toBe(1);
  expect(offered.map(([one]) => one!.approvals)).toEqual([[approvalBy('approver-2'), approvalBy('approver-3')]]);
});
