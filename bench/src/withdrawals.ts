import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CreateWithdrawalBody } from '@holdfast/core/contract/bodies.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { payDeposit } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { withdrawalBody } from '../../test/support/payouts.ts';
import { onStage, report, type Stage } from './load.ts';
import { type BenchResult, tableOf } from './result.ts';

const payers = 20;
/** Offered, so that the target is reached where nothing falls behind. */
const perSecond = 56;
const perSecondMin = 50;
const turnedAwayMs = 200;

/** Requests under the integrator's key, on anvil with a block a second, until the bytes that pay them are broadcast. */
export const run = (): Promise<BenchResult[]> => onStage(measure);

async function measure({ system, db, newCustomers, countOf, offer }: Stage): Promise<BenchResult[]> {
  const customers = await newCustomers(payers, 'payer');
  for (const customer of customers) await payDeposit(system, customer, 'ETH', '4');
  // Signers pay nobody more than what they have proven, and the vault needs the coins.
  const unfunded = (): Promise<number> =>
    countOf(
      `select (select count(*) from signer_delivery where state <> 'accepted')::int + $1
            - (select count(*) from deposit d join chain_transaction t on t.id = d.sweep_id where t.state in ('included', 'final'))::int as count`,
      payers,
    );
  await awaitCondition('funded customers', async () => (await unfunded()) === 0, 90_000, 200);
  const startMs = Date.now();
  let n = 0;
  let refused: unknown = null;
  let turnedAway = 0;
  const ask = async (body: CreateWithdrawalBody): Promise<void> => {
    for (;;) {
      try {
        return void (await system.client.createWithdrawal(body));
      } catch (error) {
        // More than it takes at once: the same request again, as a client does.
        if (!(error instanceof Failure) || error.code !== 'overloaded') throw error;
        turnedAway++;
        await sleep(turnedAwayMs);
      }
    }
  };
  const offered = await offer(perSecond, async (count) => {
    const asked = Array.from({ length: count }, () => customers[n++ % payers]!).map((customer) => {
      const to = `0x${randomBytes(20).toString('hex')}`;
      return ask(withdrawalBody(system, customer, 'ETH', '0.001', to));
    });
    for (const outcome of await Promise.allSettled(asked)) if (outcome.status === 'rejected') refused = outcome.reason;
  });
  invariant(refused === null, `a withdrawal was refused: ${String(refused)}`);
  const left = (): Promise<number> =>
    countOf(`select count(*)::int as count from withdrawal where state in ('queued', 'signing')`);
  await awaitCondition('the rest broadcast', async () => (await left()) === 0, 120_000, 200);
  const rows = await db.query<{ asked: bigint; sent: bigint | null }>(
    'select w.created_at_ms as asked, t.broadcast_at_ms as sent from withdrawal w join chain_transaction t on t.id = w.transaction_id',
  );
  invariant(rows.length === n && rows.every(({ sent }) => sent !== null), 'every request was paid');
  const waitsMs = rows.map(({ asked, sent }) => Number(sent! - asked));
  const totalMs = Math.max(...rows.map(({ sent }) => Number(sent))) - startMs;
  const results = await report('request to broadcast', { perSecondMin, waitsMs, totalMs, offered });
  return [...results, { name: '  requests turned away at first', value: turnedAway, unit: '', note: 'asked again' }];
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
