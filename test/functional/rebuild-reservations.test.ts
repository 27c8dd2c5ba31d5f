import { intentDigestHex } from '@holdfast/core/signing/intent.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import type { LostTransaction } from '@holdfast/server/rebuild/find-lost.ts';
import { emptyReport } from '@holdfast/server/rebuild/report.ts';
import { restoreTransactions } from '@holdfast/server/rebuild/restore-transactions.ts';
import { keepRelease, takerOf } from '@holdfast/server/store/reservations.ts';
import { authorizedIntent, withdrawalByDigest } from '@holdfast/server/store/withdrawals.ts';
import { expect, test } from 'vitest';
import { ask, caip19, contextOf, database, first, networkId, nowMs, useJobsStage } from '../support/jobs-stage.ts';

useJobsStage();

const network = {
  id: networkId,
  config: { assets: [{ asset: 'ETH', caip19: caip19('ETH') }] },
  parseAddress: (text: string) => text,
  rebuild: {
    plan: () => ({ unsigned: {}, conflictKeys: ['safe:1'], refs: ['safe:aa'] }),
    watch: async () => undefined,
    reclaim: async () => undefined,
  },
} as unknown as Network;

/** Accepted with a reservation, offered to signers, and lost with the database. */
async function lose(reservation: string): Promise<{ id: string; lost: LostTransaction }> {
  const { db } = database;
  const { id, intent } = await ask('ETH', 5n);
  await db.query('update withdrawal set reservation = $2 where id = $1', [id, reservation]);
  const row = await withdrawalByDigest(db, intentDigestHex(intent));
  const body = { network: networkId, intents: [authorizedIntent(row!, false)] };
  await db.query('delete from withdrawal where id = $1', [id]);
  const request = { family: 'evm', body } as unknown as LostTransaction['request'];
  return { id, lost: { network: networkId, ref: 'safe:aa', txid: 'aa', request, atMs: nowMs } };
}

test('a withdrawal that is put back has its reservation again, so that the engine is not told that nobody took it', async () => {
  const { id, lost } = await lose('r-1');
  const report = emptyReport('', nowMs);
  await restoreTransactions(contextOf(first), new Map([[networkId, network]]), [lost], report);
  expect(await takerOf(database.db, 'r-1')).toBe(id);
  expect(report).toMatchObject({ notes: [], restored: { withdrawals: 1 } });
});

test('a reservation that was given up or taken meanwhile is a note of the report', async () => {
  const { lost } = await lose('r-2');
  const other = await ask('ETH', 5n);
  await database.db.query("update withdrawal set reservation = 'r-2' where id = $1", [other.id]);
  const record = { version: 1, kind: 'reservation-release', engine: 'engine', reservation: 'r-2' } as const;
  const released = { record, authorization: { key_id: 'engine', signature: '00'.repeat(64) } };
  await keepRelease(database.db, released, nowMs);
  const report = emptyReport('', nowMs);
  await restoreTransactions(contextOf(first), new Map([[networkId, network]]), [lost], report);
  expect(report.notes).toEqual([expect.stringContaining('given reservation r-2'), expect.stringContaining('by now')]);
  expect(await takerOf(database.db, 'r-2')).toBe(other.id);
});
