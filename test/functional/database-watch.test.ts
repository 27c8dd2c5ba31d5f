import { generateKeyPairSync, sign } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Failure } from '@holdfast/core/failure.ts';
import { emptyHead, encodeRecord, type JournalEntry, type JournalHead } from '@holdfast/core/signing/journal-record.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import type { Context } from '@holdfast/server/context.ts';
import { createDatabaseWatch, type DatabaseWatch } from '@holdfast/server/jobs/watch-database.ts';
import { rebuildAlone } from '@holdfast/server/store/rebuild.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import type { SignerClient, SignerPanel } from '@holdfast/server/signers/panel.ts';
import { signerJournals } from '@holdfast/server/signers/signer-journals.ts';
import { testDatabase, type TestDatabase } from '../support/database.ts';

/** A real database, and signers that are nothing but a journal each. */
const network = 'eip155:31337';
const customer = 'cus_01a200af-48e7-70ae-bdd8-4316103f200e';
const now = Date.UTC(2026, 0, 1);

function signerWith(id: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  let lines: string[] = [];
  let heads: JournalHead[] = [emptyHead];
  const append = (entry: JournalEntry): void => {
    const { line, head } = encodeRecord(heads.at(-1)!, entry, now);
    lines.push(line);
    heads.push(head);
  };
  append({ kind: 'created', body: { signer: id } });
  const state = { problem: null as Failure | null, asked: [] as number[], isForged: false };
  const headAt = (seq: number) => ({ seq, hash: heads[seq]!.hash });
  const client = {
    id,
    identifier: 1,
    call: async (path: string, { after }: { after: number }) => {
      if (state.problem) throw state.problem;
      if (path !== '/v1/journal') throw new Failure('internal', path);
      state.asked.push(after);
      const head = headAt(lines.length);
      const digest = statementDigest('head', { version: 1, signer: state.isForged ? 'another' : id, head });
      return { lines: lines.slice(after), signed: { head, signature: sign(null, digest, privateKey).toString('hex') } };
    },
  } as unknown as SignerClient;
  return {
    id,
    client,
    state,
    append,
    /** It comes out of a backup of the beginning, and goes on differently. */
    comeBack: (): void => {
      lines = lines.slice(0, 1);
      heads = heads.slice(0, 2);
    },
    head: () => headAt(lines.length),
    key: Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url').toString('hex'),
  };
}

let database: TestDatabase;
let signers: ReturnType<typeof signerWith>[];
let watch: DatabaseWatch;

function newWatch(): DatabaseWatch {
  const ctx = {
    db: database.db,
    now: () => now,
    newId: () => uuidV7(now),
    log: () => undefined,
    config: { signers, quorum: 2, networks: [{ id: network }] },
  } as unknown as Context;
  const journals = signerJournals(
    signers.map(({ client }) => client),
    new Map(signers.map(({ id, key }) => [id, key])),
  );
  const panel = {
    status: async () => signers.map(({ id, head }) => ({ id, status: { journal: head() }, problem: null })),
  } as unknown as SignerPanel;
  return createDatabaseWatch(ctx, journals, panel);
}

beforeEach(async () => {
  database = await testDatabase();
  signers = ['signer-1', 'signer-2', 'signer-3'].map(signerWith);
  watch = newWatch();
});
afterEach(async () => database.close());

const address: JournalEntry = {
  kind: 'address',
  body: { network, customer, index: 4, address: `0x${'ab'.repeat(20)}` },
};
const away = new Failure('signers-unavailable', 'cannot be reached');
const refusal = (): unknown => {
  try {
    watch.assertCurrent();
    return null;
  } catch (error) {
    return (error as Failure).code;
  }
};

test('a database is current when two of three signers have told nothing else, and not before', async () => {
  expect(refusal()).toBe('database-unchecked');
  signers[0]!.state.problem = away;
  signers[1]!.state.problem = away;
  await expect(watch.pass()).rejects.toMatchObject({ code: 'signers-unavailable' });
  expect(refusal()).toBe('database-unchecked');
  signers[1]!.state.problem = null;
  await watch.pass();
  expect(refusal()).toBeNull();
});

test('what one signer knows and the database does not stops everything, also for the next server', async () => {
  signers[2]!.append(address);
  await expect(watch.pass()).rejects.toMatchObject({ code: 'database-behind', message: /1 deposit addresses, 0/ });
  expect(refusal()).toBe('database-behind');
  signers[2]!.state.problem = away;
  watch = newWatch();
  await expect(watch.pass()).rejects.toMatchObject({ code: 'database-behind' });
  expect(refusal()).toBe('database-behind');
});

test('a signer of an earlier version, which hands nothing out, counts as an absent one', async () => {
  const none = new Failure('not-found', 'no such route');
  signers[0]!.state.problem = none;
  signers[1]!.state.problem = none;
  await expect(watch.pass()).rejects.toMatchObject({ code: 'signers-unavailable', message: /hands no journal out/ });
  expect(refusal()).toBe('database-unchecked');
  signers[1]!.state.problem = null;
  await watch.pass();
  expect(refusal()).toBeNull();
});

test('lines that their signer does not vouch for count as an absent signer', async () => {
  signers[0]!.append(address);
  signers[0]!.state.isForged = true;
  await watch.pass();
  expect(refusal()).toBeNull();
  signers[1]!.state.isForged = true;
  watch = newWatch();
  await database.db.query('delete from signer_journal');
  await expect(watch.pass()).rejects.toMatchObject({ code: 'signers-unavailable' });
});

test('reads on where it has read, and all of a signer that came out of a backup', async () => {
  const [first] = signers;
  for (const nonce of ['1', '2']) first!.append({ kind: 'refused', body: { network, code: nonce, digests: [] } });
  await watch.pass();
  expect(first!.state.asked).toEqual([0, 3]);
  watch = newWatch();
  await watch.pass();
  expect(first!.state.asked).toEqual([0, 3, 3]);
  first!.comeBack();
  for (const nonce of ['3', '4', '5']) first!.append({ kind: 'refused', body: { network, code: nonce, digests: [] } });
  watch = newWatch();
  await watch.pass();
  expect(first!.state.asked).toEqual([0, 3, 3, 3, 0, 4]);
});

test('a running server notices that its database went back, and asks for what it had seen', async () => {
  await watch.pass();
  await watch.pass();
  // Committed before the signers were asked, seen in their journals, and lost with the rest.
  for (const { append } of signers) append(address);
  await watch.pass();
  expect(refusal()).toBeNull();
  await database.db.query('update database_mark set n = 1');
  await expect(watch.pass()).rejects.toMatchObject({ code: 'database-behind' });
  expect(refusal()).toBe('database-behind');
});

test('a place is kept only when the mark has risen after it was seen', async () => {
  await watch.pass();
  for (const { append } of signers) append({ kind: 'refused', body: { network, code: 'x', digests: [] } });
  const places = async (): Promise<unknown[]> =>
    (await database.db.query<{ seq: bigint }>('select seq from signer_journal')).map(({ seq }) => seq);
  await watch.pass();
  expect(await places()).toEqual([1n, 1n, 1n]);
  await watch.pass();
  expect(await places()).toEqual([2n, 2n, 2n]);
});

/** Goes back to its mark, as what PostgreSQL has committed since is lost when a standby takes over. */
const restored = (): Promise<unknown> =>
  database.db.query(
    'create table restored (like database_mark including all); insert into restored select * from database_mark; drop table database_mark; alter table restored rename to database_mark',
  );

test('notices the loss of what was committed since the mark was raised last', async () => {
  await watch.pass();
  await watch.pass();
  for (const { append } of signers) append(address);
  await restored();
  await expect(watch.pass()).rejects.toMatchObject({ code: 'database-behind' });
});

test('two servers, of which the other raises the mark beyond what was lost, notice it both', async () => {
  const other = newWatch();
  await watch.pass();
  await other.pass();
  // Lost is what the first has committed since, and its own rises.
  await watch.pass();
  for (const { append } of signers) append(address);
  await database.db.query('update database_mark set n = n - 1');
  await restored();
  await expect(other.pass()).rejects.toMatchObject({ code: 'database-behind' });
  await expect(watch.pass()).rejects.toMatchObject({ code: 'database-behind' });
});

test('a database that only was started anew is current once the journals have been read', async () => {
  await watch.pass();
  for (const { state } of signers) state.asked.length = 0;
  await restored();
  await watch.pass();
  expect(refusal()).toBeNull();
  expect(signers.map(({ state }) => state.asked)).toEqual([[1], [1], [1]]);
});

test('one rebuild at a time works on a database; one that ended lets the next one in', async () => {
  let end = (): void => undefined;
  const first = rebuildAlone(database.db, () => new Promise<void>((resolve) => (end = resolve)));
  await awaitCondition('the first at work', () =>
    rebuildAlone(database.db, async () => undefined).then(
      () => false,
      (error: unknown) => (error as Failure).code === 'already-running',
    ),
  );
  end();
  await first;
  expect(await rebuildAlone(database.db, async () => 'done')).toBe('done');
});
