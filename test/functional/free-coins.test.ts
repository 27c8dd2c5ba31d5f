import { largestFreeCoins } from '@holdfast/server/store/coins.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../support/database.ts';

const network = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
const tipHeight = 200;
let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database?.close());

const [strangers, ours] = ['aa'.repeat(32), 'bb'.repeat(32)];

async function addCoin(txid: string, height: number, sats: bigint): Promise<void> {
  const [block] = await database.db.query<{ id: bigint }>(
    `insert into block (network, height, hash, parent_hash, time_ms, applied_at_ms, state)
     values ($1, $2, $3, '', 0, 0, 'applied') returning id`,
    [network, height, `${height}`],
  );
  await database.db.query(
    `insert into coin (network, txid, vout, address, script, branch, derivation_index, epoch, amount, block_id, height)
     values ($1, $2, 0, '', '', 0, 1, 1, $3, $4, $5)`,
    [network, txid, sats, block!.id, height],
  );
}

async function free(finalConfirmations: number): Promise<bigint> {
  const { sats } = await largestFreeCoins(database.db, network, { epoch: 1, tipHeight, finalConfirmations, limit: 10 });
  return sats;
}

test('a coin of a stranger is free when it is final, change of ours from its first confirmation on', async () => {
  await addCoin(strangers, tipHeight - 4, 1_000n);
  await addCoin(ours, tipHeight, 20n);
  expect(await free(6)).toBe(0n);
  expect(await free(5)).toBe(1_000n);
  expect(await free(1)).toBe(1_020n);
  await database.db.query(
    `insert into chain_transaction (id, network, kind, state, unsigned, conflict_keys, refs, created_at_ms, next_attempt_at_ms, first_version)
     values ($1, $2, 'withdrawal', 'included', '{}', '{}', $3, 0, 0, $1)`,
    ['01890000-0000-7000-8000-000000000001', network, [`tx:${ours}`]],
  );
  expect(await free(6)).toBe(20n);
  expect(await free(5)).toBe(1_020n);
});
