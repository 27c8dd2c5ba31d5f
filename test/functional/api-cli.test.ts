import { fileURLToPath } from 'node:url';
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ReconciliationResource, SignerResource } from '@holdfast/core/contract/resources.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { raiseAlarm } from '@holdfast/server/store/alarms.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

const main = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url));
let database: TestDatabase;
let api: TestApi;
let folder: string;
let reconciliation: ReconciliationResource;

const signer = (id: string, reachable: boolean): SignerResource => ({
  object: 'signer',
  id,
  reachable,
  detail: reachable ? null : 'connect ECONNREFUSED',
  owner_address: reachable ? '0xOwner' : null,
  journal_seq: reachable ? 12 : null,
  build: 'dev',
});

beforeAll(async () => {
  database = await testDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'holdfast-test-cli-'));
  api = await testApi({
    db: database.db,
    operations: {
      listNetworks: async () => [
        {
          object: 'network',
          id: 'eip155:31337',
          name: 'Anvil',
          family: 'evm',
          height: 1234,
          block_hash: '0xabc',
          confirmations: [],
        },
        {
          object: 'network',
          id: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
          name: 'Regtest',
          family: 'bitcoin',
          height: null,
          block_hash: null,
          confirmations: [],
        },
      ],
      listSigners: async () => [signer('signer-1', true), signer('signer-2', true), signer('signer-3', false)],
      reconcile: async () => reconciliation,
    },
  });
  await writeFile(path.join(folder, 'key'), `${api.seed}\n`);
  await writeConfig('config.json', { url: api.url, key_id: 'all', private_key_file: 'key' });
});
afterAll(async () => {
  await api?.close();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  // The CLI signs with the machine's clock.
  api.clock.nowMs = Date.now();
  reconciliation = report('0');
});

function report(difference: string): ReconciliationResource {
  const row = { network: 'eip155:31337', decimals: 18, height: 9, chain: '1500000000000000000' };
  return {
    object: 'reconciliation',
    balanced: difference === '0',
    trial_balance: [{ asset: 'ETH', difference: '0' }],
    rows: [
      { ...row, asset: 'ETH', ledger: String(1500000000000000000n + BigInt(difference)), difference },
      { ...row, asset: 'USDT', decimals: 6, ledger: '12', chain: '12', difference: '0' },
    ],
    checked_at: '2026-01-01T00:00:00.000Z',
  };
}

async function writeConfig(name: string, config: unknown): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, JSON.stringify(config));
  return file;
}

/** Runs the real command without a terminal and with nothing to read. */
function holdfast(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const full =
    args.includes('--config') || args.length === 0 ? args : [...args, '--config', path.join(folder, 'config.json')];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [main, ...full], { cwd: folder, timeout: 60_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
    child.stdin?.end();
  });
}

test('status shows networks, signers, the queue and the open alarms', async () => {
  const calm = await holdfast('status');
  expect(calm).toMatchObject({ code: 0, err: '' });
  expect(calm.out).toContain('eip155:31337                             Anvil      1234  0xabc\n');
  expect(calm.out).toContain('signers      2/3 reachable, not signer-3');
  expect(calm.out).toContain('withdrawals  0 queued, 0 signing, 0 broadcast, 0 included');
  expect(calm.out).toContain('alarms       none open');
  await raiseAlarm(
    database.db,
    { id: api.newId(), code: 'node-disagreement', subject: 'eip155:31337', message: 'red \u001b[31m' },
    1_000,
  );
  const alarmed = await holdfast('status');
  expect(alarmed.out).toContain(
    'alarms       1 open\n  1970-01-01T00:00:01.000Z  node-disagreement  eip155:31337: red \ufffd[31m',
  );
  const json = JSON.parse((await holdfast('status', '--json')).out) as { signers: object; alarms: unknown[] };
  expect(json.signers).toEqual({ reachable: 2, total: 3, unreachable: ['signer-3'] });
  expect(json.alarms.length).toBe(1);
});

test('reconcile prints exact amounts and exits with 0 only when every difference is 0', async () => {
  const well = await holdfast('reconcile');
  expect(well.code).toBe(0);
  expect(well.out.split('\n').slice(0, 3)).toEqual([
    'NETWORK       ASSET  HEIGHT    LEDGER     CHAIN  DIFFERENCE',
    'eip155:31337  ETH         9       1.5       1.5           0',
    'eip155:31337  USDT        9  0.000012  0.000012           0',
  ]);
  expect(well.out).toContain('balanced: every difference is 0');
  reconciliation = report('-1');
  const off = await holdfast('reconcile');
  expect(off.code).toBe(1);
  expect(off.out).toContain('-0.000000000000000001');
  expect(off.out).toContain('NOT BALANCED');
  expect((await holdfast('reconcile', '--json')).code).toBe(1);
  reconciliation = { ...report('-1'), balanced: true };
  expect((await holdfast('reconcile')).code).toBe(1);
});

test('signers and the lists have a table and JSON', async () => {
  expect((await holdfast('signers')).out).toContain(
    'signer-3  NO         -                    -  dev    connect ECONNREFUSED',
  );
  expect(await holdfast('deposits', '--limit', '5', '--state', 'seen')).toMatchObject({
    code: 0,
    out: 'no deposits\n',
  });
  expect(JSON.parse((await holdfast('withdrawals', '--json')).out)).toMatchObject({ object: 'list', data: [] });
});

test('a failure exits with the code of the error table and says what to do', async () => {
  const refused = await holdfast('deposits', '--state', 'lost');
  expect(refused).toMatchObject({ code: 2, out: '' });
  expect(refused.err).toContain('/query/state is none of the allowed values');
  expect(refused.err).toMatch(/\(invalid-request, request req_[0-9a-f-]{36}\)/);
  const stranger = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
  await writeFile(path.join(folder, 'stranger.pem'), stranger);
  const file = await writeConfig('stranger.json', { url: api.url, key_id: 'all', private_key_file: 'stranger.pem' });
  expect(await holdfast('signers', '--config', file)).toMatchObject({ code: 3 });
  for (const args of [
    ['conjure'],
    ['deposits', '--colour', 'red'],
    ['deposits', '--limit', '0'],
    ['reconcile', 'now'],
  ]) {
    expect([args, (await holdfast(...args)).code]).toEqual([args, 2]);
  }
  expect(await holdfast()).toMatchObject({ code: 2 });
});

test('a server that is down is named, with exit code 5 and JSON when asked', async () => {
  const gone = await testApi({ db: database.db });
  await gone.close();
  const file = await writeConfig('down.json', { url: gone.url, key_id: 'all', private_key_file: 'key' });
  const down = await holdfast('status', '--config', file);
  expect(down).toMatchObject({ code: 5, out: '' });
  expect(down.err).toContain(`no answer from ${gone.url} (ECONNREFUSED)`);
  expect(down.err).toContain('Start the server');
  const json = await holdfast('status', '--json', '--config', file);
  expect(JSON.parse(json.err)).toMatchObject({ error: { code: 'server-unavailable', request_id: null } });
});

test('a missing or broken config is named, with exit code 2', async () => {
  const none = await holdfast('status', '--config', path.join(folder, 'none.json'));
  expect(none).toMatchObject({ code: 2 });
  expect(none.err).toContain('none.json cannot be read as JSON');
  const partial = await writeConfig('partial.json', { url: api.url });
  expect((await holdfast('status', '--config', partial)).err).toContain('key_id must be a text');
  const nokey = await writeConfig('nokey.json', { url: api.url, key_id: 'all', private_key_file: 'absent' });
  expect((await holdfast('status', '--config', nokey)).err).toContain('holds no Ed25519 private key');
});

test('a refusal that may pass is asked again, and then told', async () => {
  let asked = 0;
  const flaky = await testApi({
    db: database.db,
    seed: api.seed,
    operations: {
      listSigners: async () => {
        asked += 1;
        if (asked < 3) throw new Failure('signers-unavailable', 'none answers');
        return [signer('signer-1', true)];
      },
    },
  });
  const file = await writeConfig('flaky.json', { url: flaky.url, key_id: 'all', private_key_file: 'key' });
  expect(await holdfast('signers', '--config', file)).toMatchObject({ code: 0 });
  expect(asked).toBe(3);
  await flaky.close();
});
