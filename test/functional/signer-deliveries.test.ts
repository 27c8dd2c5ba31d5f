import { formatId, parseId } from '@holdfast/core/contract/ids.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { sampleCredential, samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { customerRecordDigestBytes } from '@holdfast/core/signing/customer-record-digest.ts';
import type { CustomerRecord, DestinationRecord } from '@holdfast/core/signing/customer-record.ts';
import { assertionBy, signatureBy } from '@holdfast/core/signing/evidence.test-support.ts';
import { bodyBytesMax, type SignerResponse } from '@holdfast/core/signing/messages.ts';
import type { Context, Step } from '@holdfast/server/context.ts';
import { deliverSignerRecords, recordLanes } from '@holdfast/server/jobs/deliver-signer-records.ts';
import type { Network } from '@holdfast/server/networks/network.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import { createCustomerRecord } from '@holdfast/server/operations/create-customer-record.ts';
import type { SignerPanel } from '@holdfast/server/signers/panel.ts';
import { insertCustomerRecords } from '@holdfast/server/store/customer-records.ts';
import { createCustomer } from '@holdfast/server/store/customers.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

/* What the server tells its signers, on a real database, with signers that answer as a test says. */

const policy = samplePolicy();
const networkId = 'eip155:31337';
const signers = ['signer-1', 'signer-2', 'signer-3'];
const address = `0x${'ab'.repeat(20)}`;
const deposits = `deposits ${networkId}`;
const settlements = 'settlements engine-1';

type Result = SignerResponse<'/v1/records'>['results'][number];
const accepted: Result = { state: 'accepted', effective_at_ms: 0 };
const later: Result = { state: 'later', code: 'deposit-unproven', message: 'not deep enough' };
const refused = (code: string): Result => ({ state: 'refused', code, message: 'says the signer' });

let database: TestDatabase;
let customer: string;
let nowMs: number;
let made = 0;
const newId = (): string => uuidV7(1_800_000_000_000 + made++);

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database?.close());
beforeEach(async () => {
  await database.db.query('truncate signer_delivery, customer_record, alarm, deposit_address cascade');
  customer = (await createCustomer(database.db, { client_reference: newId() }, newId, 0)).id;
  nowMs = 1_900_000_000_000;
});

function contextOf(step: (name: Step) => void = () => undefined): Context {
  const config = { signers: signers.map((id) => ({ id })), quorum: 2, networks: [{ id: networkId }] };
  const ctx = { db: database.db, config, policy, now: () => nowMs, newId, step, log: () => undefined };
  return ctx as unknown as Context;
}

/** A signer that answers each call as told, and the records that it was asked about, a call each. */
function panelOf(answer: (records: readonly CustomerRecord[]) => Result[], attested = address, epoch = 1) {
  const calls: (readonly CustomerRecord[])[] = [];
  const panel = {
    deliverRecords: async (_signer: string, records: readonly CustomerRecord[]) => {
      calls.push(records);
      return answer(records);
    },
    attestAddressBy: async (signer: string) => ({
      address: attested,
      epoch,
      statements: [{ signer, signature: 'aa' }],
    }),
  };
  return { calls, panel: panel as unknown as SignerPanel };
}

const all = (result: Result) => (records: readonly CustomerRecord[]) => records.map(() => result);

async function store(...signed: CustomerRecord[]): Promise<void> {
  const rows = signed.map((one) => {
    const { record } = one;
    const engine = record.kind === 'settlement' ? { keyId: record.engine, sequence: record.sequence } : undefined;
    const customerId = 'customer' in record ? parseId('cus', record.customer) : null;
    return { id: newId(), signed: one, customerId, ...(engine && { engine }) };
  });
  await database.db.transaction((sql) => insertCustomerRecords(sql, rows, ['signer-1'], nowMs));
}

const claim = (height: number, network = networkId): CustomerRecord => ({
  record: {
    version: 1,
    kind: 'deposit',
    network,
    customer,
    index: 7,
    address,
    asset: `${network}/slip44:60`,
    block_height: height,
    block_hash: '00'.repeat(32),
    outpoint: null,
  },
});

function trades(sequence: number, count = 2): CustomerRecord {
  const entries = Array.from({ length: count }, (_, at) => ({
    customer,
    asset: 'ETH',
    amount: at % 2 === 0 ? '1000000' : '-1000000',
  }));
  const record = { version: 1, kind: 'settlement', engine: 'engine-1', sequence, entries } as const;
  return { record, authorization: signatureBy('engine-1', customerRecordDigestBytes({ record })) };
}

const deliver = (panel: SignerPanel, lane: string, ctx = contextOf()): Promise<number> =>
  deliverSignerRecords(ctx, panel, 'signer-1', lane);

const heights = (records: readonly CustomerRecord[] | undefined) =>
  records?.map(({ record }) => record.kind === 'deposit' && record.block_height);
const sequences = (records: readonly CustomerRecord[] | undefined) =>
  records?.map(({ record }) => record.kind === 'settlement' && record.sequence);

async function states(): Promise<Record<string, number>> {
  const rows = await database.db.query<{ state: string; count: bigint }>(
    'select state, count(*) as count from signer_delivery group by state',
  );
  return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]));
}

const openAlarms = async (): Promise<string[]> =>
  (await database.db.query<{ code: string }>('select code from alarm where closed_at_ms is null order by code')).map(
    ({ code }) => code,
  );

test('a backlog of full settlements goes out in bodies that a signer reads, in the order of the engine', async () => {
  const count = 14;
  for (let sequence = 1; sequence <= count; sequence += 1) await store(trades(sequence, 1_000));
  const { calls, panel } = panelOf((records) => {
    const bytes = Buffer.byteLength(JSON.stringify({ records }));
    if (bytes > bodyBytesMax) throw new Failure('body-too-large', `${bytes} bytes`);
    return records.map(() => accepted);
  });
  while ((await deliver(panel, settlements)) > 0);
  expect(await states()).toEqual({ accepted: count });
  expect(calls.flatMap((records) => sequences(records))).toEqual(Array.from({ length: count }, (_, at) => at + 1));
  for (const records of calls) expect(Buffer.byteLength(JSON.stringify({ records }))).toBeLessThan(700_000);
});

test('claims go out in the number that a signer proves at a time, and those whose call failed let the next ones go first', async () => {
  for (let height = 1; height <= 20; height += 1) await store(claim(height));
  await store(claim(1, 'eip155:1'));
  let isDead = true;
  const { calls, panel } = panelOf((records) => {
    if (isDead) {
      nowMs += 15_000;
      throw new Failure('signers-unavailable', 'signer-1 cannot be reached');
    }
    return records.map(() => accepted);
  });
  await expect(deliver(panel, deposits)).rejects.toMatchObject({ code: 'signers-unavailable' });
  expect(heights(calls[0])).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  isDead = false;
  await deliver(panel, deposits);
  expect(heights(calls[1])).toEqual([9, 10, 11, 12, 13, 14, 15, 16]);
  // Another network's go their own way; and what failed comes back.
  expect(await recordLanes(contextOf())).toEqual([
    'customers',
    'adjustments',
    'releases',
    settlements,
    deposits,
    'deposits eip155:1',
  ]);
  expect(await deliver(panel, 'deposits eip155:1')).toBe(1);
  while ((await deliver(panel, deposits)) > 0);
  expect(await states()).toEqual({ accepted: 21 });
});

test('a record that the signer cannot read waits alone', async () => {
  for (let height = 1; height <= 5; height += 1) await store(claim(height));
  const { panel } = panelOf((records) => {
    if (heights(records)!.includes(3)) throw new Failure('invalid-request', '/records/2');
    return records.map(() => accepted);
  });
  expect(await deliver(panel, deposits)).toBe(4);
  expect(await states()).toEqual({ accepted: 4, pending: 1 });
});

test('a settlement is never given up: it waits with an alarm, what follows it too, and all goes on by itself', async () => {
  await store(trades(1), trades(2), trades(3));
  let isKnown = false;
  const { calls, panel } = panelOf((records) =>
    records.map(() => (isKnown ? accepted : refused('settlement-invalid'))),
  );
  expect(await deliver(panel, settlements)).toBe(0);
  expect(await states()).toEqual({ pending: 3 });
  expect(await openAlarms()).toEqual(['record-waiting']);
  // What only stands behind it gets no pause of its own.
  const tried = await database.db.query('select attempts from signer_delivery order by record_id');
  expect(tried).toEqual([{ attempts: 1 }, { attempts: 0 }, { attempts: 0 }]);
  // Not before its pause, and nothing overtakes it.
  await store(trades(4));
  expect(await deliver(panel, settlements)).toBe(0);
  expect(calls.length).toBe(1);
  isKnown = true;
  nowMs += 250;
  expect(await deliver(panel, settlements)).toBe(4);
  expect(sequences(calls[1])).toEqual([1, 2, 3, 4]);
  expect(await states()).toEqual({ accepted: 4 });
  expect(await openAlarms()).toEqual([]);
});

test('what time mends comes again for ever, with an alarm after hours, and what is refused for good does not', async () => {
  const destination = { kind: 'destination', action: 'add', customer, network: networkId, address } as const;
  const record: DestinationRecord = { ...destination, version: 1, nonce: 'nonce-0001' };
  await store(claim(1), { record, authorization: { key_id: 'integrator-1', signature: '00'.repeat(64) } });
  const { panel } = panelOf((records) =>
    records.map((one) => (one.record.kind === 'deposit' ? later : refused('credential-unknown'))),
  );
  expect(await deliver(panel, deposits)).toBe(0);
  expect(await openAlarms()).toEqual([]);
  await database.db.query('update signer_delivery set attempts = 100000, next_attempt_at_ms = 0');
  for (const lane of [deposits, 'customers']) expect(await deliver(panel, lane)).toBe(0);
  expect(await states()).toEqual({ pending: 2 });
  expect(await openAlarms()).toEqual(['record-waiting', 'record-waiting']);
  const [row] = await database.db.query<{ next: bigint }>(
    'select max(next_attempt_at_ms) as next from signer_delivery',
  );
  expect(Number(row!.next) - nowMs).toBe(600_000);

  nowMs += 600_000;
  expect(await deliver(panelOf(all(refused('deposit-unproven'))).panel, deposits)).toBe(1);
  expect(await deliver(panelOf(all(accepted)).panel, 'customers')).toBe(1);
  expect(await states()).toEqual({ accepted: 1, refused: 1 });
  expect(await openAlarms()).toEqual(['record-refused']);
});

test('what a signer never heard goes before what waits', async () => {
  for (let height = 1; height <= 8; height += 1) await store(claim(height));
  const { calls, panel } = panelOf(all(later));
  await deliver(panel, deposits);
  nowMs += 60_000;
  await store(claim(9));
  await deliver(panel, deposits);
  expect(heights(calls[1])![0]).toBe(9);
});

test('a refusal and its alarm are stored together or not at all', async () => {
  await store(claim(1));
  const { panel } = panelOf(all(refused('address-index-taken')));
  const diesAt = (step: Step) =>
    contextOf((name) => {
      if (name === step) throw new Error('power cut');
    });
  await expect(deliver(panel, deposits, diesAt('tell-before-commit'))).rejects.toThrow('power cut');
  expect([await states(), await openAlarms()]).toEqual([{ pending: 1 }, []]);
  await expect(deliver(panel, deposits, diesAt('tell-after-commit'))).rejects.toThrow('power cut');
  expect([await states(), await openAlarms()]).toEqual([{ refused: 1 }, ['record-refused']]);
});

test('a statement about another address or epoch is not kept, and does not keep the right one out', async () => {
  await database.db.query(
    `insert into deposit_address (id, customer_id, network, derivation_index, address, watch_key, state, epoch, created_at_ms)
     values ($1, $2, $3, 7, $4, $4, 'active', 1, 0)`,
    [newId(), parseId('cus', customer), networkId, address],
  );
  await store(claim(1));
  const statements = async () =>
    (await database.db.query<{ statements: unknown[] }>('select statements from deposit_address'))[0]!.statements;
  await deliver(panelOf(all(later)).panel, deposits);
  nowMs += 60_000;
  await deliver(panelOf(all(later), `0x${'cd'.repeat(20)}`).panel, deposits);
  expect(await statements()).toEqual([]);
  expect(await openAlarms()).toEqual(['derivation-mismatch']);
  nowMs += 60_000;
  await deliver(panelOf(all(later), address, 2).panel, deposits);
  expect(await statements()).toEqual([]);
  nowMs += 60_000;
  await deliver(panelOf(all(later)).panel, deposits);
  expect(await statements()).toEqual([{ signer: 'signer-1', signature: 'aa' }]);
});

/** A request of the customer's own passkey. */
async function ask(nonce: number, action: 'add' | 'remove' = 'add') {
  const networks = new Map([[networkId, { parseAddress: (text: string) => text } as unknown as Network]]);
  const destination = { kind: 'destination', customer, network: networkId, address } as const;
  const record: DestinationRecord = { ...destination, version: 1, action, nonce: `nonce-${nonce + 10_000}` };
  const authorization = assertionBy('anna', customerRecordDigestBytes({ record }), policy.webauthn.customers);
  return createCustomerRecord(contextOf(), networks, { record, authorization });
}

test('a customer’s passkeys ask for so many changes in a day, and for so many that wait', async () => {
  const { credential_id, public_key } = sampleCredential('anna');
  const enrolment = { version: 1, kind: 'credential', action: 'add', customer, nonce: 'nonce-0001' } as const;
  const record = { ...enrolment, credential_id, public_key };
  await store({ record, authorization: { key_id: 'integrator-1', signature: '00'.repeat(64) } });
  const judge = (who: readonly string[]) =>
    database.db.query(`update signer_delivery set state = 'accepted' where signer = any ($1)`, [who]);
  for (let nonce = 0; nonce < 20; nonce += 1) await ask(nonce);
  await expect(ask(20)).rejects.toMatchObject({ code: 'rate-limited' });
  // What is there already is no change, and what was stolen can be removed.
  expect((await ask(19)).id).toBe((await ask(19)).id);
  await ask(0, 'remove');
  // One signer that is away holds nobody up.
  await judge(['signer-1', 'signer-2']);
  for (let nonce = 20; nonce < 100; nonce += 1) {
    await ask(nonce);
    await judge(['signer-1', 'signer-2']);
  }
  await expect(ask(100)).rejects.toMatchObject({ code: 'limit-exceeded' });
  await ask(1, 'remove');
  nowMs += 86_400_001;
  expect((await ask(100)).customer).toBe(formatId('cus', parseId('cus', customer)));
});
