import { fileURLToPath } from 'node:url';
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { SignerAnswers } from '@holdfast/core/contract/bodies.ts';
import type { HaltResource, ReconciliationResource, SignerResource } from '@holdfast/core/contract/resources.ts';
import { Failure } from '@holdfast/core/failure.ts';
import type { SignedHalt } from '@holdfast/core/signing/halt.ts';
import { samplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { statementDigestHex } from '@holdfast/core/signing/statement.ts';
import { raiseAlarm } from '@holdfast/server/store/alarms.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { publicKeyOf, type TestApi, testApi } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

const main = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url));
let database: TestDatabase;
let api: TestApi;
let folder: string;
let reconciliation: ReconciliationResource;
let halts: HaltResource[] = [];

const answered = (signerId: string, code: string | null = null): SignerAnswers['answers'][number] => ({
  signer: signerId,
  state: code === null ? 'accepted' : 'refused',
  code,
  message: code && 'no such key \u001b[31m',
});

const signer = (id: string, reachable: boolean): SignerResource => ({
  object: 'signer',
  id,
  reachable,
  detail: reachable ? null : 'connect ECONNREFUSED',
  owner_address: reachable ? '0xOwner' : null,
  journal_seq: reachable ? 12 : null,
  build: (id === 'signer-3' ? 'ab' : 'cd').repeat(32),
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
          agree: 2,
          endpoints: [
            { name: 'node-1', standing: 'counted', height: 1234, detail: null },
            { name: 'node-2', standing: 'counted', height: 1234, detail: null },
            { name: 'node-3', standing: 'away', height: null, detail: 'node-3 does not answer' },
          ],
          confirmations: [],
        },
        {
          object: 'network',
          id: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
          name: 'Regtest',
          family: 'bitcoin',
          height: null,
          block_hash: null,
          agree: 1,
          endpoints: [],
          confirmations: [],
        },
      ],
      listSigners: async () => [signer('signer-1', true), signer('signer-2', true), signer('signer-3', false)],
      reconcile: async () => reconciliation,
      listHalts: async () => halts,
      halt: async ({ statement }) => {
        const digest = statementDigestHex('halt', statement);
        const by = 'watcher \u001b[31m';
        const at = [{ signer: 'signer-1', halted_at: '2026-01-01T00:00:00.000Z' }];
        halts.push({ object: 'halt', digest, statement, by, signers: at });
        return { answers: [answered('signer-1'), answered('signer-2', 'halt-invalid')] };
      },
      resume: async ({ statement }) => {
        halts = halts.filter(({ digest }) => !statement.halts.includes(digest));
        return { answers: [answered('signer-1')] };
      },
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
    unread: [],
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
  expect(calm.out).toContain('eip155:31337                             Anvil      1234  2/3, 2 needed  0xabc\n');
  expect(calm.out).toContain('node         node-3 away: node-3 does not answer\n');
  expect(calm.out).toContain('signers      2/3 reachable, not signer-3');
  expect(calm.out).toContain('withdrawals  0 queued, 0 signing, 0 broadcast, 0 uncertain, 0 included');
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
  const { out } = await holdfast('signers');
  expect(out).toContain('signer-3  NO         -                    -  abababababab  connect ECONNREFUSED');
  // In full, so that it can be compared with what an auditor's machine prints.
  expect(out).toContain(`\nbuild ${'cd'.repeat(32)}  signer-1, signer-2\nbuild ${'ab'.repeat(32)}  signer-3\n`);
  expect(await holdfast('deposits', '--limit', '5', '--state', 'seen')).toMatchObject({
    code: 0,
    out: 'no deposits\n',
  });
  expect(JSON.parse((await holdfast('withdrawals', '--json')).out)).toMatchObject({ object: 'list', data: [] });
});

test('a halt token is made offline, handed in, listed, and lifted by a resumption', async () => {
  expect((await holdfast('halts')).out).toBe('nothing is halted\n');
  const token = path.join(folder, 'token.json');
  const asset = 'eip155:31337/slip44:60';
  const key = ['--policy', await haltPolicy(), '--key', path.join(folder, 'key'), '--key-id', 'watcher-1'];
  const options = [...key, '--network', 'eip155:31337', '--asset', asset, '--reason', 'worst day'];
  const made = await holdfast('halt-token', token, ...options, '--config', path.join(folder, 'absent.json'));
  expect(made).toMatchObject({ code: 0, err: '' });
  expect(made.out).toContain(`halts ${asset}, once`);
  const signed = JSON.parse(await readFile(token, 'utf8')) as SignedHalt;
  expect(signed.statement).toMatchObject({ scope: { network: 'eip155:31337', asset }, reason: 'worst day' });
  expect((await stat(token)).mode & 0o777).toBe(0o600);
  expect(await holdfast('halt-token', token, ...key)).toMatchObject({
    code: 2,
  });
  expect(await readFile(token, 'utf8')).toBe(`${JSON.stringify(signed, null, 2)}\n`);

  const digest = statementDigestHex('halt', signed.statement);
  expect(await holdfast('halt', token)).toMatchObject({
    code: 0,
    out: `${token}: halt ${digest}\nsigner-1 accepted\nsigner-2 refused: halt-invalid no such key \ufffd[31m\n`,
  });
  const listed = (await holdfast('halts')).out;
  expect(listed).toContain(`${digest}  ${asset}  watcher \ufffd[31m  signer-1  worst day`);
  expect(JSON.parse((await holdfast('halts', '--json')).out)).toMatchObject({ data: [{ digest }] });

  const statement = { version: 1, kind: 'resume', halts: [digest], reason: 'looked at', nonce: 'resume-nonce' };
  const assertion = {
    credential_id: 'a'.repeat(16),
    authenticator_data: '00',
    client_data_json: '00',
    signature: '00',
  };
  const resumption = path.join(folder, 'resume.json');
  await writeFile(resumption, JSON.stringify({ statement, approvals: [assertion] }));
  const partial = await holdfast('resume', resumption);
  expect(partial).toMatchObject({ code: 2, out: '' });
  expect(partial.err).toContain('resume.json: /statement');
  const whole = { statement: { ...statement, expires_at: '2026-01-01T00:00:00.000Z' }, approvals: [assertion] };
  await writeFile(resumption, JSON.stringify(whole));
  expect((await holdfast('resume', resumption)).out).toBe(
    `resume ${digest}\nsigner-1 accepted\nA vault that was paused on chain stays paused: only cold governance unpauses it.\n`,
  );
  expect((await holdfast('halts')).out).toBe('nothing is halted\n');
  const wrong = [
    ['resume'],
    ['halt', path.join(folder, 'absent.json')],
    ['halt-token', path.join(folder, 'x'), ...key, '--asset', asset],
  ];
  expect(await Promise.all(wrong.map(async (args) => (await holdfast(...args)).code))).toEqual([2, 2, 2]);
});

/** A policy in which the CLI's key may halt. */
async function haltPolicy(): Promise<string> {
  const mayHalt = [{ key_id: 'watcher-1', public_key: publicKeyOf(api.seed) }];
  return writeConfig(
    'policy.json',
    samplePolicy((policy) => (policy.halt_keys = mayHalt)),
  );
}

test('every halt that is named is handed in, also beside one that cannot be', async () => {
  const key = ['--policy', await haltPolicy(), '--key', path.join(folder, 'key'), '--key-id', 'watcher-1'];
  const tokens = ['first', 'second'].map((name) => path.join(folder, `${name}.json`));
  for (const token of tokens) expect(await holdfast('halt-token', token, ...key)).toMatchObject({ code: 0 });
  const [first, second] = tokens as [string, string];
  const whole = await holdfast('halt', first, second);
  expect(whole.code).toBe(0);
  expect(halts.length).toBe(2);
  halts = [];

  const absent = path.join(folder, 'absent.json');
  const some = await holdfast('halt', first, absent, second, '--json');
  expect(some.code).toBe(2);
  expect(halts.map(({ digest }) => digest).toSorted()).toEqual(
    (JSON.parse(some.out) as { halts: { digest: string | null }[] }).halts
      .flatMap(({ digest }) => digest ?? [])
      .toSorted(),
  );
  expect(halts.length).toBe(2);
  expect(JSON.parse(some.out)).toMatchObject({
    halts: [{ file: first, error: null }, { file: absent, error: { code: 'invalid-request' } }, { file: second }],
  });
  expect((await holdfast('halt', absent, second)).out).toContain(`${absent}: NOT HANDED IN, invalid-request`);
  halts = [];
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
