import { formatId } from '@holdfast/core/contract/ids.ts';
import { accountCodes } from '@holdfast/core/ledger/account-codes.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { cancelSteps } from '@holdfast/server/context.ts';
import { batchWithdrawals } from '@holdfast/server/jobs/batch-withdrawals.ts';
import { broadcastTransactions } from '@holdfast/server/jobs/broadcast-transactions.ts';
import { watchQueue } from '@holdfast/server/jobs/watch-queue.ts';
import { readGauges } from '@holdfast/server/store/gauges.ts';
import { replacePayments } from '@holdfast/server/jobs/replace-payments.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { cancelWithdrawal } from '@holdfast/server/operations/cancel-withdrawal.ts';
import { setTransactionState, storeSigned } from '@holdfast/server/store/chain-transactions.ts';
import { waitingTransactions } from '@holdfast/server/store/fee-bumps.ts';
import { mustPost } from '@holdfast/server/store/ledger/post-batch.ts';
import {
  assignToTransaction,
  lockWithdrawal,
  moveWithdrawals,
  postpone,
  requeue,
} from '@holdfast/server/store/withdrawals.ts';
import { expect, test } from 'vitest';
import {
  ask,
  contextOf,
  customerId,
  database,
  first,
  insertPayment,
  networkId,
  newId,
  nowMs,
  useJobsStage,
} from '../support/jobs-stage.ts';

/* Cancels, and broadcasts of which nobody knows whether they arrived, on a real database. */

useJobsStage();

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

test('a withdrawal that waits too long opens an alarm with its age and reason, which closes when it is given back', async () => {
  const { id } = await ask('ETH', 5n);
  const network = { id: networkId, config: { stuck_after_ms: 60_000 } } as unknown as Network;
  const open = async (atMs: number) => {
    await watchQueue({ ...contextOf(first), now: () => atMs }, network);
    const rows = await database.db.query<{ message: string }>(
      `select message from alarm where code = 'withdrawals-stuck' and closed_at_ms is null`,
    );
    return rows.map(({ message }) => message);
  };
  await postpone(database.db, [{ id, reason: 'the hot wallet holds less' }], nowMs);
  expect(await open(nowMs + 59_999)).toEqual([]);
  const [message] = await open(nowMs + 75_000);
  expect(message).toContain(`${formatId('wd', id)} for 75 s: queued, the hot wallet holds less`);
  const { withdrawal_oldest_seconds: ages } = await readGauges(database.db, nowMs + 75_000);
  expect(ages).toContainEqual({ labels: { network: networkId, state: 'queued' }, value: 75 });
  await database.db.query(`update withdrawal set state = 'released' where id = $1`, [id]);
  expect(await open(nowMs + 80_000)).toEqual([]);
});
