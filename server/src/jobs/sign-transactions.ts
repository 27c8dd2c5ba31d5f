import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { QuorumRefusal } from '@holdfast/core/withdrawals/quorum-refusal.ts';
import { refusedPauseMs } from '@holdfast/core/withdrawals/refused-pause.ts';
import type { Context } from '../context.ts';
import type { Network } from '../networks/network.ts';
import { listedApprovals } from '../operations/listed-approvals.ts';
import { closeAlarms, raiseAlarm, refusalSubject } from '../store/alarms.ts';
import {
  type ChainTransactionRow,
  markRefused,
  noteOffer,
  noteProblem,
  setTransactionState,
  storeSigned,
  transactionsIn,
} from '../store/chain-transactions.ts';
import type { Sql } from '../store/database.ts';
import { insertEvents } from '../store/events.ts';
import {
  attemptedBy,
  authorizedIntent,
  moveToVersion,
  moveWithdrawals,
  owingNow,
  requeue,
  withdrawalsOf,
} from '../store/withdrawals.ts';

/** Reasons to wait that somebody must do something about. */
const signersMissing: ReadonlySet<string> = new Set([
  'signers-unavailable',
  'degraded-limit',
  'policy-differs',
  'policy-missing',
  'build-not-permitted',
  'journal-behind',
  'journal-broken',
  'nodes-too-few',
]);

/** From then on batch-withdrawals.ts knows of the halt. */
const haltedPauseMs = 2_000;

/** Pause before a transaction that lacked signers is offered again; grows with each attempt. */
const retryMs = (attempts: number): number => Math.min(5_000, 500 * 2 ** Math.min(attempts, 6));

/**
 * Has built payments signed and stores the bytes. Too few signers: the same content is offered again later. Refused:
 * the transaction is abandoned and its withdrawals are tried in smaller batches.
 */
export async function signTransactions(
  ctx: Context,
  network: Network,
  tellSigners: () => Promise<void>,
): Promise<number> {
  const due = await transactionsIn(ctx.db, network.id, ['built'], ctx.now());
  let signed = 0;
  if (due.some((one) => one.kind === 'withdrawal')) await tellSigners();
  for (const transaction of due.filter((one) => one.kind === 'withdrawal')) {
    if (await signOne(ctx, network, transaction)) signed++;
  }
  return signed;
}

async function signOne(ctx: Context, network: Network, transaction: ChainTransactionRow): Promise<boolean> {
  const isBump = transaction.version > 1;
  const withdrawals = await (isBump ? attemptedBy : withdrawalsOf)(ctx.db, transaction.id);
  try {
    // Of a bump the version before is signed already: refusing this one would keep nothing from being paid.
    const owing = isBump
      ? new Set()
      : await owingNow(
          ctx.db,
          withdrawals.map((row) => row.id),
        );
    if (owing.size > 0)
      throw new Failure(
        'withdrawals-blocked',
        `a reversed deposit left the customers of ${[...owing].join(', ')} owing`,
      );
    await noteOffer(ctx.db, transaction.id);
    ctx.step('sign-before-request');
    const offered = withdrawals.map((row) =>
      authorizedIntent(
        { ...row, approvals: listedApprovals(row.approvals, ctx.policy) },
        ctx.policy.positions.count_fees === true,
      ),
    );
    const batch = await network.sign(transaction.unsigned, offered);
    ctx.step(isBump ? 'bump-after-quorum' : 'sign-after-quorum');
    await ctx.db.transaction(async (sql) => {
      const nowMs = ctx.now();
      if (!(await storeSigned(sql, transaction.id, await batch.seal(sql), nowMs))) return;
      if (isBump) return noteReplaced(ctx, sql, transaction, nowMs);
      await moveWithdrawals(sql, transaction.id, 'broadcast', nowMs);
      ctx.step('sign-before-commit');
    });
    ctx.step(isBump ? 'bump-after-store' : 'sign-after-commit');
    await closeAlarms(ctx.db, `${network.id} signers`, ctx.now());
    return true;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    // What is halted must not keep the rest of its network from being paid.
    const mayWait = errorRow(error.code).retryable && error.code !== 'halted';
    await (mayWait || error.code === 'journal-behind' || error.code === 'journal-broken'
      ? wait(ctx, network, transaction, error)
      : abandon(ctx, network, transaction, error));
    return false;
  }
}

/** The withdrawals go on with the version that is offered from now on, and whoever follows a txid hears of it. */
async function noteReplaced(ctx: Context, sql: Sql, transaction: ChainTransactionRow, nowMs: number): Promise<void> {
  const moved = await moveToVersion(sql, transaction.id, nowMs);
  await insertEvents(
    sql,
    moved.map((id) => ({ id: ctx.newId(), type: 'withdrawal.replaced', resource: 'withdrawal', resourceId: id })),
    nowMs,
  );
  await closeAlarms(sql, `${transaction.first_version} fee`, nowMs);
}

async function wait(ctx: Context, network: Network, transaction: ChainTransactionRow, failure: Failure): Promise<void> {
  const nowMs = ctx.now();
  await noteProblem(
    ctx.db,
    transaction.id,
    `${failure.code}: ${failure.message}`,
    nowMs + retryMs(transaction.attempts),
  );
  if (signersMissing.has(failure.code)) {
    await raiseAlarm(
      ctx.db,
      { id: ctx.newId(), code: failure.code, subject: `${network.id} signers`, message: failure.message },
      nowMs,
    );
  }
  ctx.log('sign-waits', { transaction: transaction.id, code: failure.code, problem: failure.message });
}

/**
 * Whether no quorum can have signed: a quorum refused the first offer, or says that the intents have expired, which a
 * signer does not say of what it has signed (signer/src/wallets/reserve-together.ts).
 */
function neverSigned(transaction: ChainTransactionRow, failure: Failure): boolean {
  return failure instanceof QuorumRefusal && (transaction.attempts === 0 || failure.code === 'intent-expired');
}

/** The version before is still offered; after the wait another one is built. */
async function noteBumpRefused(
  ctx: Context,
  sql: Sql,
  { first_version: first }: ChainTransactionRow,
  failure: Failure,
  nowMs: number,
): Promise<void> {
  const message = `${failure.code}: ${failure.message}`;
  await raiseAlarm(sql, { id: ctx.newId(), code: 'fee-bump-refused', subject: `${first} fee`, message }, nowMs);
}

async function abandon(
  ctx: Context,
  network: Network,
  transaction: ChainTransactionRow,
  failure: Failure,
): Promise<void> {
  const nowMs = ctx.now();
  const isHalted = failure.code === 'halted';
  await ctx.db.transaction(async (sql) => {
    if (
      !(await setTransactionState(sql, transaction.id, ['built'], 'abandoned', `${failure.code}: ${failure.message}`))
    )
      return;
    if (neverSigned(transaction, failure)) await markRefused(sql, transaction.id);
    await network.abandon(sql, transaction.id);
    const ids = await requeue(
      sql,
      transaction.id,
      `${failure.code}: ${failure.message}`,
      isHalted ? { pauseMs: () => haltedPauseMs, split: false } : { pauseMs: refusedPauseMs, split: true },
      nowMs,
    );
    // A halt is an alarm of its own, and no verdict about these withdrawals.
    if (isHalted) return;
    if (transaction.version > 1) return noteBumpRefused(ctx, sql, transaction, failure, nowMs);
    await insertEvents(
      sql,
      ids.map((id) => ({ id: ctx.newId(), type: 'withdrawal.refused', resource: 'withdrawal', resourceId: id })),
      nowMs,
    );
    await raiseAlarm(
      sql,
      {
        id: ctx.newId(),
        code: 'signing-refused',
        subject: refusalSubject(network.id, failure.code),
        message: `${failure.code}: ${failure.message} (transaction ${transaction.id})`,
      },
      nowMs,
    );
  });
  // A quorum that refuses is not away.
  if (failure instanceof QuorumRefusal) await closeAlarms(ctx.db, `${network.id} signers`, nowMs);
  ctx.log('sign-refused', { transaction: transaction.id, code: failure.code, problem: failure.message });
}
