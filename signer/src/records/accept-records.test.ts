import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { samplePolicy, sampleCredential } from '@holdfast/core/policy/sample-policy.test-support.ts';
import type { CustomerRecord, DepositClaim } from '@holdfast/core/signing/customer-record.ts';
import { customerRecordDigestBytes } from '@holdfast/core/signing/customer-record-digest.ts';
import { signatureBy } from '@holdfast/core/signing/evidence.test-support.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createJournalFile, openJournal, type Journal } from '../journal/journal.ts';
import { agreedTime } from '../mesh/agreed-time.ts';
import type { PolicyStore } from '../policy/policy-store.ts';
import { refusalRecorder } from '../wallets/wallet.ts';
import { acceptRecords, type RecordDeps } from './accept-records.ts';

const policy = samplePolicy();
const network = 'eip155:31337';
const customer = 'cus_00000000-0000-7000-8000-000000000001';
const address = `0x${'ab'.repeat(20)}`;
const claim: DepositClaim = {
  version: 1,
  kind: 'deposit',
  network,
  customer,
  index: 3,
  address,
  asset: `${network}/slip44:60`,
  block_height: 10,
  block_hash: '77'.repeat(32),
  outpoint: null,
};
const deposit = (fields: Partial<DepositClaim> = {}): CustomerRecord => ({ record: { ...claim, ...fields } });
const settlement = (sequence: number, amount = '5'): CustomerRecord => {
  const entries = [
    { customer, asset: 'ETH', amount },
    { customer: customer.replace('1', '2'), asset: 'ETH', amount: `-${amount}` },
  ];
  const record = { version: 1 as const, kind: 'settlement' as const, engine: 'engine-1', sequence, entries };
  return { record, authorization: signatureBy('engine-1', customerRecordDigestBytes({ record })) };
};
const credential = (action: 'add' | 'remove' = 'add'): CustomerRecord => {
  const { credential_id, public_key } = sampleCredential('passkey-1');
  const record = {
    version: 1 as const,
    kind: 'credential' as const,
    action,
    customer,
    credential_id,
    public_key,
    nonce: `nonce-${action}`,
  };
  return { record, authorization: signatureBy('integrator-1', customerRecordDigestBytes({ record })) };
};

let folder: string;
let journal: Journal;
let nowMs: number;
/** How far the peers' clocks are ahead. */
let peersAheadMs: number;
let halted: [unknown, string][];
let asked: DepositClaim[];
let prove: (asking: DepositClaim) => bigint | Promise<bigint>;

beforeEach(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  folder = mkdtempSync(join(tmpdir(), 'holdfast-records-'));
  nowMs = 1_800_000_000_000;
  peersAheadMs = 0;
  [halted, asked] = [[], []];
  prove = () => 1_000n;
  createJournalFile(join(folder, 'journal.jsonl'), 'signer-1', nowMs);
  journal = await openJournal(
    join(folder, 'journal.jsonl'),
    () => nowMs,
    () => nowMs,
  );
  await journal.append({ kind: 'address', body: { network, customer, index: 3, address } });
});
afterEach(async () => {
  await journal.close();
  rmSync(folder, { recursive: true });
});

const deps = (): RecordDeps => ({
  journal,
  agreedNowMs: () => agreedTime(nowMs, [peersAheadMs, peersAheadMs]),
  policies: { current: () => policy } as Partial<PolicyStore> as PolicyStore,
  verifiers: nobleVerifiers,
  halts: { haltSelf: async (scope, reason) => (halted.push([scope, reason]), { digest: '' }) },
  recorded: refusalRecorder({ journal, clock: () => nowMs }),
  proveDeposit: async (asking) => {
    asked.push(asking);
    return prove(asking);
  },
});
const accept = (...records: CustomerRecord[]) => acceptRecords(deps(), records);
const accepted = { state: 'accepted', effective_at_ms: 0 };
const position = (code = 'ETH'): bigint | undefined => journal.state.positions.get(`${customer} ${code}`);
const written = (): number => readFileSync(join(folder, 'journal.jsonl'), 'utf8').trim().split('\n').length;

test('a deposit counts by what the own nodes prove, once, however often it comes', async () => {
  expect(await accept(deposit(), deposit())).toEqual([accepted, accepted]);
  expect(await accept(deposit())).toEqual([accepted]);
  expect([position(), written()]).toEqual([1_000n, 3]);
  // The third one was known: no node was asked.
  expect(asked).toHaveLength(2);
});

test('what is accepted is on the disk', async () => {
  const before = written();
  const results = await accept(settlement(1), settlement(2), deposit());
  expect(results).toEqual([accepted, accepted, accepted]);
  expect(written()).toBe(before + 3);
});

test('a deposit of which the nodes show nothing halts the network and is refused for good', async () => {
  prove = () => 0n;
  expect(await accept(deposit())).toMatchObject([{ state: 'refused', code: 'deposit-unproven' }]);
  expect(halted).toEqual([[{ network, asset: null }, expect.stringContaining(address)]]);
  expect(position()).toBeUndefined();
});

test.each<[string, string, string, Partial<DepositClaim>]>([
  ['an address that this signer did not hand out yet', 'later', 'deposit-unproven', { index: 4 }],
  ['the address of another customer', 'refused', 'address-index-taken', { customer: customer.replace('1', '2') }],
  ['another address', 'refused', 'address-index-taken', { address: `0x${'cd'.repeat(20)}` }],
  ['an asset that the policy lacks', 'refused', 'unknown-asset', { asset: `${network}/slip44:61` }],
  ['a network that the policy lacks', 'refused', 'unknown-network', { network: 'eip155:5' }],
])('asks no node about %s', async (_name, state, code, fields) => {
  prove = () => 0n;
  expect(await accept(deposit(fields))).toMatchObject([{ state, code }]);
  expect([asked, halted]).toEqual([[], []]);
});

test('each record is judged alone: nodes that fail, and bugs, hold up nothing else', async () => {
  const failures = [new Failure('node-unavailable', 'away'), new TypeError('secret detail')];
  prove = () => {
    const failure = failures.shift();
    if (failure) throw failure;
    return 5n;
  };
  const other = (digit: string) => deposit({ block_hash: digit.repeat(64) });
  const results = await accept(other('1'), other('2'), settlement(1), other('3'));
  expect(results).toEqual([
    { state: 'later', code: 'node-unavailable', message: 'away' },
    { state: 'later', code: 'internal', message: 'internal error' },
    accepted,
    accepted,
  ]);
  expect(position()).toBe(10n);
});

test('a settlement that overtook the one before it may come again; one that was used may not', async () => {
  expect(await accept(settlement(2))).toMatchObject([{ state: 'later', code: 'settlement-invalid' }]);
  expect(await accept(settlement(1), settlement(2))).toEqual([accepted, accepted]);
  expect(await accept(settlement(1, '6'))).toMatchObject([{ state: 'refused', code: 'settlement-invalid' }]);
  expect(position()).toBe(10n);
});

test('a credential counts after the delay, also when it is said again later', async () => {
  const effective = { state: 'accepted', effective_at_ms: nowMs + policy.delays.loosen_s * 1_000 };
  expect(await accept(credential())).toEqual([effective]);
  nowMs += 60_000;
  expect(await accept(credential())).toEqual([effective]);
  expect(await accept(credential('remove'))).toEqual([accepted]);
  expect(await accept(credential('remove'))).toEqual([accepted]);
});

test('a record without evidence makes no credential', async () => {
  const forged = { ...credential(), authorization: { key_id: 'integrator-1', signature: '00'.repeat(64) } };
  expect(await accept(forged as CustomerRecord)).toMatchObject([{ state: 'refused' }]);
  expect(journal.state.credentials.size).toBe(0);
});

test('with the clock behind its journal it takes nothing, and all may come again', async () => {
  nowMs -= 60_000;
  const results = await accept(deposit(), settlement(1));
  expect(results).toMatchObject([
    { state: 'later', code: 'clock-behind' },
    { state: 'later', code: 'clock-behind' },
  ]);
  nowMs += 60_000;
  expect([position(), written()]).toEqual([undefined, 2]);
});

test.each([
  ['behind', 3_600_000],
  ['ahead of', -3_600_000],
])('with the clock %s the peers’ no delay starts, and all may come again', async (_name, ms) => {
  peersAheadMs = ms;
  const later = { state: 'later', code: 'clock-behind' };
  expect(await accept(credential(), deposit(), settlement(1))).toMatchObject([later, later, later]);
  expect([journal.state.credentials.size, position(), written()]).toEqual([0, undefined, 2]);
  peersAheadMs = 0;
  expect(await accept(credential(), deposit())).toMatchObject([{ state: 'accepted' }, accepted]);
});

test('a false credit halts whatever the clocks say', async () => {
  prove = () => 0n;
  peersAheadMs = 3_600_000;
  expect(await accept(deposit())).toMatchObject([{ state: 'refused', code: 'deposit-unproven' }]);
  expect(halted).toHaveLength(1);
});

test('asks about eight deposits at a time', async () => {
  let open = 0;
  let most = 0;
  prove = async () => {
    most = Math.max(most, (open += 1));
    await new Promise((resolve) => setTimeout(resolve, 1));
    open -= 1;
    return 1n;
  };
  const many = Array.from({ length: 30 }, (_, at) => deposit({ block_hash: String(at).padStart(64, '0') }));
  expect(await accept(...many)).toEqual(many.map(() => accepted));
  expect([most, position()]).toEqual([8, 30n]);
});
