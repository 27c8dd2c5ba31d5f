import { formatId } from '@holdfast/core/contract/ids.ts';
import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { assertionBy } from '@holdfast/core/signing/evidence.test-support.ts';
import { type AuthorizedIntent, intentDigest } from '@holdfast/core/signing/intent.ts';
import { batchWithdrawals } from '@holdfast/server/jobs/batch-withdrawals.ts';
import { signTransactions } from '@holdfast/server/jobs/sign-transactions.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { approveWithdrawal } from '@holdfast/server/operations/approve-withdrawal.ts';
import { settleTransactions } from '@holdfast/server/jobs/settle-transactions.ts';
import { insertBlock } from '@holdfast/server/store/blocks.ts';
import { setTransactionState, storeSigned, type TransactionState } from '@holdfast/server/store/chain-transactions.ts';
import { gapBelow, givenUpBytes, nextRelayerNonce } from '@holdfast/server/store/relayer-lanes.ts';
import { assignToTransaction, lockWithdrawal } from '@holdfast/server/store/withdrawals.ts';
import { expect, test } from 'vitest';
import {
  ask,
  caip19,
  contextOf,
  database,
  first,
  insertPayment,
  networkId,
  nowMs,
  useJobsStage,
} from '../support/jobs-stage.ts';

/* The jobs on a real database, with a network and signers that only note what they are asked. */

const eth = 1_000_000_000_000_000_000n;

useJobsStage();

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
