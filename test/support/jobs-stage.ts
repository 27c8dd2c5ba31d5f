import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { intentDigestHex, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import type { Context } from '@holdfast/server/context.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { insertTransaction } from '@holdfast/server/store/chain-transactions.ts';
import { createCustomer } from '@holdfast/server/store/customers.ts';
import { insertWithdrawal } from '@holdfast/server/store/withdrawals.ts';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type TestDatabase, testDatabase } from './database.ts';

/* The jobs on a real database: what their tests need of customers, withdrawals and transactions. */

export const networkId = 'eip155:31337';
export const first = samplePolicy();
const assets = first.networks.flatMap((network) => (network.family === 'evm' ? network.assets : []));
export const caip19 = (code: string): string => assets.find((one) => one.code === code)!.asset;

export let database: TestDatabase;
export let customerId: string;
export const nowMs = Date.now();
let made = 0;
export const newId = (): string => uuidV7(nowMs + made++);

/** Opens the stage of a test file; closed after its tests, and emptied before each. */
export function useJobsStage(): void {
  beforeAll(async () => {
    database = await testDatabase();
    const customer = await createCustomer(database.db, { client_reference: 'jobs' }, newId, nowMs);
    customerId = parseId('cus', customer.id);
  });
  afterAll(() => database?.close());
  beforeEach(async () => {
    await database.db.query('truncate withdrawal_attempt, withdrawal_approval, withdrawal, chain_transaction cascade');
  });
}

export function contextOf(policy: Policy): Context {
  const ctx = { db: database.db, policy, now: () => nowMs, newId, step: () => undefined, log: () => undefined };
  return ctx as unknown as Context;
}

export async function insertPayment(unsigned: object = {}): Promise<string> {
  const id = newId();
  const row = { id, network: networkId, kind: 'withdrawal', unsigned, conflictKeys: [], refs: [] } as const;
  await insertTransaction(database.db, row, nowMs);
  return id;
}

export async function ask(asset: 'ETH' | 'USDT', amount: bigint, state: 'queued' | 'awaiting_approval' = 'queued') {
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
