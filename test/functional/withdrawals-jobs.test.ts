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
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { cancelSteps } from '@holdfast/server/context.ts';
import { broadcastTransactions } from '@holdfast/server/jobs/broadcast-transactions.ts';
import { replacePayments } from '@holdfast/server/jobs/replace-payments.ts';
import { cancelWithdrawal } from '@holdfast/server/operations/cancel-withdrawal.ts';
import { waitingTransactions } from '@holdfast/server/store/fee-bumps.ts';
import { mustPost } from '@holdfast/server/store/ledger/post-batch.ts';
import type { Context } from '@holdfast/server/context.ts';
import { batchWithdrawals } from '@holdfast/server/jobs/batch-withdrawals.ts';
import { signTransactions } from '@holdfast/server/jobs/sign-transactions.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { approveWithdrawal } from '@holdfast/server/operations/approve-withdrawal.ts';
import { settleTransactions } from '@holdfast/server/jobs/settle-transactions.ts';
import { insertBlock } from '@holdfast/server/store/blocks.ts';
import {
  insertTransaction,
  setTransactionState,
  storeSigned,
  type TransactionState,
} from '@holdfast/server/store/chain-transactions.ts';
import { gapBelow, givenUpBytes, nextRelayerNonce } from '@holdfast/server/store/relayer-lanes.ts';
import { createCustomer } from '@holdfast/server/store/customers.ts';
import {
  assignToTransaction,
  insertWithdrawal,
  lockWithdrawal,
  moveWithdrawals,
  requeue,
} from '@holdfast/server/store/withdrawals.ts';
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

async function insertPayment(unsigned: object = {}): Promise<string> {
  const id = newId();
  const row = { id, network: networkId, kind: 'withdrawal', unsigned, conflictKeys: [], refs: [] } as const;
  await insertTransaction(database.db, row, nowMs);
  return id;
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

  const transaction = await insertPayment();
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

test('what only waits says why, and lets those behind it have their turn', async () => {
  const short = [await ask('USDT', 1n), await ask('USDT', 1n), await ask('USDT', 1n)];
  const payable = await ask('ETH', 1n);
  const surveyed: string[][] = [];
  const network = {
    id: networkId,
    config: {
      batch_size_max: 2,
      batch_wait_ms: 0,
      assets: ['ETH', 'USDT'].map((asset) => ({ asset, caip19: caip19(asset) })),
    },
    surveyBatch: async (payouts: { id: string; asset: string }[]) => {
      surveyed.push(payouts.map(({ id }) => id));
      const waiting = payouts.filter(({ asset }) => asset === 'USDT').map(({ id }) => ({ id, reason: 'no room' }));
      return { payable: [], impossible: [], waiting };
    },
  } as unknown as Network;
  // Each pass comes so late that those of the pass before are due again.
  for (const pass of [0, 1]) {
    const ctx = { ...contextOf(first), now: () => nowMs + pass * 10_000 };
    await batchWithdrawals(ctx, network, () => false);
  }
  expect(surveyed).toEqual([
    [short[0]!.id, short[1]!.id],
    [short[2]!.id, payable.id],
  ]);
  expect(await lockWithdrawal(database.db, short[0]!.id)).toMatchObject({ state: 'queued', reason: 'no room' });
  expect((await lockWithdrawal(database.db, payable.id))?.reason).toBeNull();
});

test('an alarm is open while the guard is paused', async () => {
  const { id } = await ask('ETH', 1n);
  let paused: string | null = 'the guard is paused';
  const network = {
    id: networkId,
    config: { batch_size_max: 2, batch_wait_ms: 0, assets: [{ asset: 'ETH', caip19: caip19('ETH') }] },
    surveyBatch: async () => ({
      payable: [],
      impossible: [],
      waiting: [{ id, reason: paused ?? 'the hot wallet is empty' }],
      paused,
    }),
  } as unknown as Network;
  const open = async (atMs: number) => {
    await batchWithdrawals({ ...contextOf(first), now: () => atMs }, network, () => false);
    return database.db.query('select code, subject, message from alarm where closed_at_ms is null');
  };
  const message = paused;
  expect(await open(nowMs)).toEqual([{ code: 'guard-paused', subject: `${networkId} guard`, message }]);
  expect(await lockWithdrawal(database.db, id)).toMatchObject({ state: 'queued', reason: message });
  paused = null;
  expect(await open(nowMs + 10_000)).toEqual([]);
});

test('the relayer fills the gap that a lapsed payment leaves below what is stored, above its price', async () => {
  const sealed = async (relayerNonce: bigint, to: TransactionState): Promise<void> => {
    const id = await insertPayment();
    const raw = Uint8Array.of(Number(relayerNonce));
    await storeSigned(database.db, id, { raw, txid: `0x${id}`, refs: [], relayerNonce }, nowMs);
    await setTransactionState(database.db, id, ['signed'], to);
  };
  await sealed(4n, 'final');
  await sealed(5n, 'replaced');
  await sealed(6n, 'broadcast');
  const lane = { network: networkId, lane: 'payout' } as const;
  const next = (chainNonce: bigint) => database.db.transaction((sql) => nextRelayerNonce(sql, lane, chainNonce));
  expect(await next(5n)).toBe(5n);
  expect(await givenUpBytes(database.db, lane, 5n)).toEqual([Buffer.of(5)]);
  // During a reorg the chain's own count goes back below what is final here.
  expect(await next(4n)).toBe(5n);
  expect(await gapBelow(database.db, lane, 5n)).toBe(5n);
  await sealed(5n, 'broadcast');
  expect(await gapBelow(database.db, lane, 5n)).toBeNull();
  // The other account's nonces are its own.
  const sweeps = { ...lane, lane: 'sweep' } as const;
  expect(await database.db.transaction((sql) => nextRelayerNonce(sql, sweeps, 5n))).toBe(5n);
  expect(await next(5n)).toBe(7n);
  expect(await next(8n)).toBe(8n);
});

test('a payment lapses only when a final block and our own clock are past its deadline', async () => {
  const deadlineMs = nowMs + 60_000;
  const [{ id: wanted }, { id: paid }] = [await ask('ETH', 1n), await ask('ETH', 2n)];
  const [lapsing, sooner] = [
    await insertPayment({ not_after_ms: String(deadlineMs) }),
    await insertPayment({ not_after_ms: String(deadlineMs) }),
  ];
  await assignToTransaction(database.db, [wanted], lapsing, nowMs);
  await assignToTransaction(database.db, [paid], sooner, nowMs);
  await setTransactionState(database.db, sooner, ['built'], 'included');
  const network = {
    id: networkId,
    config: { final_confirmations: 2 },
    abandon: async () => undefined,
  } as unknown as Network;
  const settle = (atMs: number) => settleTransactions({ ...contextOf(first), now: () => atMs }, network);
  const stateOf = async (id: string) => (await lockWithdrawal(database.db, id))?.state;
  const blockAt = (height: number, timeMs: number) => {
    const [hash, parentHash] = [`0x${height}`, `0x${height - 1}`];
    return insertBlock(database.db, { network: networkId, height, hash, parentHash, timeMs }, nowMs);
  };
  await database.db.query(`delete from block where network = $1`, [networkId]);
  await blockAt(1, deadlineMs);
  await blockAt(2, deadlineMs + 12_000);
  // The block of the deadline itself may still take it, and the one after it is not final.
  expect(await settle(deadlineMs + 20_000)).toBe(0);
  await blockAt(3, deadlineMs + 24_000);
  expect(await settle(deadlineMs)).toBe(0);
  expect(await stateOf(wanted)).toBe('signing');
  expect(await settle(deadlineMs + 1)).toBe(1);
  expect(await stateOf(wanted)).toBe('queued');
  expect(await stateOf(paid)).toBe('signing');
  expect(await settle(deadlineMs + 20_000)).toBe(0);
});

async function postHold(id: string, amount: bigint): Promise<void> {
  const customer = formatId('cus', customerId);
  const posted = (debit: string, credit: string, name: string) => ({
    idem: `${name}/${id}`,
    cause: `withdrawal:${id}`,
    debit,
    credit,
    amount: baseUnits(amount),
  });
  const [free, held] = [accountCodes.customer(customer, 'ETH'), accountCodes.hold(customer, 'ETH')];
  await database.db.transaction((sql) =>
    mustPost(sql, [posted(accountCodes.capital('ETH'), free, 'fund'), posted(free, held, 'hold')], nowMs),
  );
}

const eventsOf = async (id: string): Promise<string[]> =>
  (await database.db.query<{ type: string }>('select type from event where resource_id = $1 order by id', [id])).map(
    ({ type }) => type,
  );

test('a withdrawal that nothing was signed for is canceled once, whole or not at all', async () => {
  const { id } = await ask('ETH', 5n);
  const waiting = await ask('ETH', 6n, 'awaiting_approval');
  await postHold(id, 5n);
  await postHold(waiting.id, 6n);
  const name = formatId('wd', id);
  const heldNow = async () => {
    const [row] = await database.db.query<{ balance: bigint }>('select balance from account where code = $1', [
      accountCodes.hold(formatId('cus', customerId), 'ETH'),
    ]);
    return row!.balance;
  };
  const before = await heldNow();
  const ctx = contextOf(first);
  const dies = (at: string) => ({
    ...ctx,
    step: (step: string) => {
      if (step === at) throw new Error(`died at ${at}`);
    },
  });
  await expect(cancelWithdrawal(dies(cancelSteps[0]), name)).rejects.toThrow('died');
  expect([(await lockWithdrawal(database.db, id))?.state, await heldNow()]).toEqual(['queued', before]);
  await expect(cancelWithdrawal(dies(cancelSteps[1]), name)).rejects.toThrow('died');
  // Asked again after the death, and once more.
  await cancelWithdrawal(ctx, name);
  await cancelWithdrawal(ctx, name);
  expect(await lockWithdrawal(database.db, id)).toMatchObject({ state: 'released', reason: 'canceled on request' });
  await cancelWithdrawal(ctx, formatId('wd', waiting.id));
  expect(before - (await heldNow())).toBe(11n);
  expect(await eventsOf(id)).toEqual(['withdrawal.canceled']);
  await expect(cancelWithdrawal(ctx, formatId('wd', newId()))).rejects.toMatchObject({ code: 'not-found' });
});

test('what was or may have been signed is not canceled, and the refusal says why', async () => {
  const { id } = await ask('ETH', 5n);
  const name = formatId('wd', id);
  const transaction = await insertPayment();
  await assignToTransaction(database.db, [id], transaction, nowMs);
  const refusal = async () => {
    const error: unknown = await cancelWithdrawal(contextOf(first), name).catch((problem: unknown) => problem);
    expect(error).toMatchObject({ code: 'cancel-refused' });
    return (error as Error).message;
  };
  expect(await refusal()).toContain('signers are asked to sign it');
  await setTransactionState(database.db, transaction, ['built'], 'abandoned');
  await requeue(database.db, transaction, 'refused', { pauseMs: () => 0, split: false }, nowMs);
  expect(await refusal()).toContain('may have signed it');
  for (const state of ['broadcast', 'uncertain', 'included', 'settled']) {
    await database.db.query('update withdrawal set state = $2 where id = $1', [id, state]);
    expect(await refusal()).toContain(`is ${state}`);
  }
});

test('what no node is known to have is uncertain and only offered again byte for byte, until a node has it', async () => {
  const { id } = await ask('ETH', 5n);
  const transaction = await insertPayment();
  await assignToTransaction(database.db, [id], transaction, nowMs);
  const raw = Uint8Array.of(7, 7);
  await storeSigned(database.db, transaction, { raw, txid: '0xaa', refs: [], relayerNonce: null }, nowMs);
  await moveWithdrawals(database.db, transaction, 'broadcast', nowMs);
  await ask('ETH', 1n);
  const offered: number[][] = [];
  const answers = [
    { accepted: false, objections: ['a: does not answer', 'b: bad-txns-inputs-missingorspent'] },
    { accepted: false, objections: ['a: min relay fee not met', 'b: min relay fee not met'] },
    { accepted: false, objections: ['a: txn-already-in-mempool', 'b: does not answer'] },
    { accepted: false, objections: ['a: does not answer', 'b: does not answer'] },
  ];
  const touched = () => {
    throw new Error('nothing else may be made of it');
  };
  const network = {
    id: networkId,
    config: { family: 'evm', batch_size_max: 2, batch_wait_ms: 0, assets: [] },
    broadcast: async (bytes: Uint8Array) => {
      offered.push([...bytes]);
      return answers[offered.length - 1]!;
    },
    surveyBatch: touched,
    replacePayment: touched,
  } as unknown as Network;
  const states: (string | undefined)[] = [];
  for (const pass of [0, 1, 2, 3]) {
    const ctx = { ...contextOf(first), now: () => nowMs + pass * 60_000 };
    expect(await broadcastTransactions(ctx, network)).toBe(1);
    if (pass < 2) {
      expect(await replacePayments(ctx, network, () => false)).toBe(0);
      expect(await waitingTransactions(database.db, networkId, ['withdrawal'])).toEqual([]);
    }
    expect(await batchWithdrawals(ctx, network, () => false)).toBeNull();
    states.push((await lockWithdrawal(database.db, id))?.state);
  }
  // A node that had it once may forget it; that it was never had is another matter.
  expect(states).toEqual(['uncertain', 'uncertain', 'broadcast', 'broadcast']);
  expect(offered).toEqual([raw, raw, raw, raw].map((bytes) => [...bytes]));
  expect(await eventsOf(id)).toEqual(['withdrawal.uncertain', 'withdrawal.broadcast']);
  const alarms = await database.db.query<{ code: string; open: boolean }>(
    `select code, closed_at_ms is null as open from alarm where subject = $1 order by id`,
    [`${transaction} broadcast`],
  );
  expect(alarms).toEqual([
    { code: 'broadcast-uncertain', open: false },
    { code: 'broadcast-refused', open: true },
  ]);
});
