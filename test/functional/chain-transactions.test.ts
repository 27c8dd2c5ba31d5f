import { markLapsed, transactionsIn } from '@holdfast/server/store/chain-transactions.ts';
import { waitingTransactions } from '@holdfast/server/store/fee-bumps.ts';
import { expect, test } from 'vitest';
import { database, insertPayment, networkId, nowMs, useJobsStage } from '../support/jobs-stage.ts';

useJobsStage();

/** More than one look takes, on their way for longer than the payment. */
async function behindMany(count: number): Promise<string> {
  for (let i = 0; i < count; i++) await insertPayment();
  await database.db.query(
    `update chain_transaction set kind = 'sweep', state = 'broadcast', waiting_from_ms = 1, waiting_from_height = 1, next_attempt_at_ms = $1`,
    [nowMs - 10],
  );
  const id = await insertPayment();
  await database.db.query(
    `update chain_transaction set state = 'broadcast', waiting_from_ms = 1, waiting_from_height = 1, next_attempt_at_ms = $2 where id = $1`,
    [id, nowMs - 20],
  );
  return id;
}

test('a payment behind many sweeps that no block takes is still offered and offered at a higher price', async () => {
  const id = await behindMany(120);
  const [due] = await transactionsIn(database.db, networkId, ['broadcast'], nowMs);
  expect(due?.id).toBe(id);
  const kinds = ['withdrawal', 'sweep'];
  expect(await waitingTransactions(database.db, networkId, kinds)).toHaveLength(20);
  expect(await waitingTransactions(database.db, networkId, kinds, id)).toMatchObject([{ id, versions: 1 }]);
});

test('what is looked for at every pass reads no final transactions, and no index is there twice', async () => {
  const plans = await database.db.transaction(async (sql) => {
    await sql.query('set local enable_seqscan = off');
    return sql.query<Record<'QUERY PLAN', string>>(
      `explain select from chain_transaction where network = $1 and state in ('built', 'signed', 'broadcast', 'uncertain', 'abandoned')
          and (unsigned->>'not_after_ms')::bigint < 1`,
      [networkId],
    );
  });
  expect(plans.map((row) => row['QUERY PLAN']).join(' ')).toContain('chain_transaction_unmined');
  expect(await markLapsed(database.db, networkId, 1n, 1)).toEqual([]);
  const twice = await database.db.query(
    `select indrelid::regclass::text as on, count(*) from pg_index join pg_class c on c.oid = indexrelid
      where indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
      group by indrelid, indkey::text, coalesce(pg_get_expr(indpred, indrelid), ''), coalesce(pg_get_expr(indexprs, indrelid), ''), c.relam
     having count(*) > 1`,
  );
  expect(twice).toEqual([]);
});
