import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  copyFileSync,
  mkdirSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { run as audit } from '@holdfast/cli/run.ts';
import type { JournalRecord } from '@holdfast/core/signing/journal-record.ts';
import { signerEnv, sourceProgram } from '@holdfast/devnet/signer-program.ts';
import { makeBackup } from '@holdfast/signer/backup/make-backup.ts';
import { restoreBackup } from '@holdfast/signer/backup/restore-backup.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commit, signBitcoin } from '../support/signer-rounds.ts';
import { bitcoinRequest, bitcoinWithdrawal, startStage, type SignerStage } from '../support/signer-stage.ts';
import { waitFor, type SignerProcess } from '../support/signers.ts';

/** A signer's machine is lost and comes back out of a backup that is older than what it signed. */
let stage: SignerStage;
let one: SignerProcess;
let two: SignerProcess;
let three: SignerProcess;
let backup: string;
let ceremony: string;
let env: Record<string, string>;

const passphrase = Buffer.from('correct horse battery staple');
const dayMs = 86_400_000;
const run = promisify(execFile);

beforeAll(async () => {
  const clock = new URL('../support/shift-clock.ts', import.meta.url);
  env = {
    // A bundle refuses what is loaded before it.
    NODE_OPTIONS: `--import=${clock.href}`,
    // Twenty processes read the same sources.
    NODE_COMPILE_CACHE: join(tmpdir(), 'holdfast-compile-cache'),
  };
  stage = await startStage({
    program: sourceProgram,
    env,
    bitcoin: { perPayment: '60000', perDay: '170000' },
    // The blocks stay where they are when the clocks go on.
    policy: (policy) => policy.networks.forEach((network) => (network.block_age_s_max = 90_000)),
  });
  [one, two, three] = stage.cluster.signers as [SignerProcess, SignerProcess, SignerProcess];
  backup = join(stage.folder, 'one.backup');
  ({ ceremony } = await one.client.call('/v1/status', {}));
});
afterAll(() => stage?.stop());

let path = 0;
const inTenDays = (): string => new Date(Date.now() + 10 * dayMs).toISOString();
const intentOf = (amount: string) => bitcoinWithdrawal({ amount, expires_at: inTenDays() });
const payment = (amount: string, intent = intentOf(amount)) =>
  bitcoinRequest(stage, [stage.addCoin([0, (path += 1)], 1_000_000n)], [intent]);
/** What left before the loss and after the backup. */
const paidLater = [intentOf('50000'), intentOf('50000')];

async function signer(...operands: string[]): Promise<string> {
  const own = signerEnv(join(stage.folder, 'passphrase'), env);
  return (await run(process.execPath, [sourceProgram.main, ...operands], { env: own })).stdout;
}

function journalOf({ dataDir }: SignerProcess): string[] {
  return readFileSync(join(dataDir, 'journal.jsonl'), 'utf8').trim().split('\n');
}

async function codeOf({ client }: SignerProcess): Promise<string | null> {
  return client.call('/v1/status', {}).then(
    () => null,
    (error: { code: string }) => error.code,
  );
}

async function problemOf({ client }: SignerProcess): Promise<string | null> {
  return (await client.call('/v1/status', {})).problem;
}

test('backs a signer up while it runs, sealed, for its owner only, and never over another file', async () => {
  await signBitcoin(stage, payment('50000'), [one, two]);
  const said: unknown = JSON.parse(await signer('backup', one.dataDir, backup));
  expect(said).toMatchObject({ signer: 'signer-1', ceremony, build: 'source', hsm: 0 });
  expect(statSync(backup).mode & 0o777).toBe(0o600);
  const bytes = readFileSync(backup);
  for (const plain of ['"kind":"created"', 'raw_tx', 'BEGIN CERTIFICATE', 'listen'])
    expect(bytes.includes(plain)).toBe(false);
  const again = makeBackup(one.dataDir, backup, passphrase, { build: 'source', nowMs: 1 });
  await expect(again).rejects.toMatchObject({ code: 'config-invalid', message: expect.stringMatching(/exists/) });
  expect(readFileSync(backup).equals(bytes)).toBe(true);
});

describe('a backup that must not come back', () => {
  const target = (): string => join(stage.folder, 'target');
  const expected = (change = {}) => ({ signer: 'signer-1', ceremony, ...change });
  const altered = (name: string, alter: (file: string) => void): string => {
    const file = join(stage.folder, name);
    copyFileSync(backup, file);
    alter(file);
    return file;
  };
  const flip = (from: number) => (file: string) => {
    const bytes = readFileSync(file);
    const at = from < 0 ? bytes.length + from : from;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
  };
  const refused = { code: 'backup-invalid' };

  test.each<[string, (file: string) => void, object]>([
    ['with a damaged byte in the middle', flip(-2_000), { ...refused, message: expect.stringMatching(/damaged/) }],
    ['with a damaged last byte', flip(-1), { ...refused, message: expect.stringMatching(/damaged/) }],
    ['with a damaged first byte', flip(0), refused],
    ['with a damaged header', flip(60), { code: expect.stringMatching(/^(backup-invalid|wrong-passphrase)$/) }],
    ['cut short', (file) => truncateSync(file, statSync(file).size - 100), refused],
    ['cut short in its beginning', (file) => truncateSync(file, 100), refused],
    ['that is empty', (file) => truncateSync(file, 0), refused],
  ])('%s', async (name, alter, failure) => {
    const file = altered(name, alter);
    await expect(restoreBackup(file, target(), passphrase, expected())).rejects.toMatchObject(failure);
    expect([target(), `${target()}.restoring`].map((one) => existsSync(one))).toEqual([false, false]);
  });

  test('of another signer, another ceremony, under another passphrase, or over a folder that is not empty', async () => {
    const other = join(stage.folder, 'two.backup');
    await makeBackup(two.dataDir, other, passphrase, { build: 'source', nowMs: Date.now() });
    const restore = async (file: string, change = {}, secret = passphrase, folder = target()) =>
      restoreBackup(file, folder, secret, expected(change));
    await expect(restore(other)).rejects.toMatchObject({ ...refused, message: expect.stringMatching(/of signer-2/) });
    await expect(restore(backup, { ceremony: 'ab'.repeat(32) })).rejects.toMatchObject(refused);
    await expect(restore(backup, {}, Buffer.from('incorrect horse'))).rejects.toMatchObject({
      code: 'wrong-passphrase',
    });
    const before = journalOf(two);
    await expect(restore(backup, {}, passphrase, two.dataDir)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringMatching(/not empty/),
    });
    expect(journalOf(two).slice(0, before.length)).toEqual(before);
    expect([target(), `${target()}.restoring`].map((one) => existsSync(one))).toEqual([false, false]);
    await expect(
      makeBackup(one.dataDir, join(stage.folder, 'x'), Buffer.from('no'), { build: 'source', nowMs: 0 }),
    ).rejects.toMatchObject({ code: 'wrong-passphrase' });
    expect(existsSync(join(stage.folder, 'x'))).toBe(false);
  });

  test('killed at any step, a restoration leaves nothing that could run, and runs again', async () => {
    const steps = ['config.json', 'journal.jsonl', 'verified', 'marked'];
    // What is on the disk at a step is what a kill there leaves.
    const seen: string[] = [];
    const step = (name: string): void => {
      expect(existsSync(target())).toBe(false);
      if (!steps.includes(name)) return;
      seen.push(name);
      cpSync(`${target()}.restoring`, `${target()}-${name}.restoring`, { recursive: true });
    };
    await restoreBackup(backup, target(), passphrase, { ...expected(), step });
    expect(seen).toEqual(steps);
    const namesIn = (folder: string) => new Set<unknown>(readdirSync(folder, { recursive: true }));
    const whole = namesIn(target());
    for (const name of steps) {
      const folder = `${target()}-${name}`;
      await restoreBackup(backup, folder, passphrase, expected());
      expect(namesIn(folder)).toEqual(whole);
      expect(existsSync(`${folder}.restoring`)).toBe(false);
    }
  });

  test('killed at any step, a backup leaves no file of its name, and runs again', async () => {
    const steps = ['config.json', 'journal.jsonl', 'written'];
    const file = join(stage.folder, 'killed.backup');
    const leftAt = (name: string): string => join(stage.folder, `killed-${name}.backup`);
    const seen: string[] = [];
    const step = (name: string): void => {
      expect(existsSync(file)).toBe(false);
      if (!steps.includes(name)) return;
      seen.push(name);
      copyFileSync(`${file}.partial`, `${leftAt(name)}.partial`);
    };
    await makeBackup(one.dataDir, file, passphrase, { build: 'source', nowMs: 1, step });
    expect(seen).toEqual(steps);
    for (const left of steps.map(leftAt)) {
      await makeBackup(one.dataDir, left, passphrase, { build: 'source', nowMs: 1 });
      expect([existsSync(left), existsSync(`${left}.partial`)]).toEqual([true, false]);
    }
  });
});

test('behind its peers it refuses until every one of them has told it what it lacks, and then it has it line for line', async () => {
  const [first, second] = paidLater as [ReturnType<typeof intentOf>, ReturnType<typeof intentOf>];
  await signBitcoin(stage, payment('50000', first), [one, two]);
  await signBitcoin(stage, payment('50000', second), [one, three]);
  const copyAt = (dataDir: string): string => readFileSync(join(dataDir, 'peers/signer-1.jsonl'), 'utf8');
  const isCopied = ({ dataDir }: SignerProcess): boolean => copyAt(dataDir).split('"kind":"accepted"').length > 3;
  // The copy follows what is countersigned.
  await waitFor('the copies', 10_000, () => isCopied(two) && isCopied(three));
  await Promise.all([one, two, three].map(async (each) => each.stop('SIGKILL')));
  const lost = journalOf(one);
  rmSync(one.dataDir, { recursive: true });
  mkdirSync(one.dataDir);
  await signer('restore', backup, one.dataDir, '--signer', 'signer-1', '--ceremony', ceremony);
  const old = journalOf(one);
  expect(lost.slice(0, old.length)).toEqual(old);
  expect(accepted(old)).toHaveLength(1);

  const isBack = one.start();
  await Promise.all([
    two.start(),
    waitFor('a signer that refuses', 20_000, async () => (await codeOf(one)) === 'journal-behind'),
  ]);
  await waitFor('the copy of one peer', 10_000, () => one.log.some(({ event }) => event === 'journal-replayed'));
  // The other may know more: with it alone this one made a quorum.
  await expect(commit(payment('1000'))(one)).rejects.toMatchObject({
    code: 'journal-behind',
    message: expect.stringMatching(/of signer-3|what signer-3/),
  });
  await expect(
    makeBackup(one.dataDir, join(stage.folder, 'y'), passphrase, { build: 'source', nowMs: 1 }),
  ).rejects.toMatchObject({
    code: 'journal-behind',
  });
  await three.start();
  await isBack;

  const back = journalOf(one);
  const restoredAt = back.findIndex((line) => (JSON.parse(line) as JournalRecord).kind === 'restored');
  expect(back.slice(0, restoredAt)).toEqual(lost.slice(0, restoredAt));
  expect(accepted(back.slice(0, restoredAt))).toHaveLength(3);
  expect(JSON.parse(back[restoredAt] ?? '')).toMatchObject({ body: { backup_seq: old.length } });
});

test('replayed, its limits count as used up, nothing is signed twice, and the others go on without it', async () => {
  await waitFor('its peers', 20_000, async () => (await one.client.call('/v1/status', {})).peers_reachable === 2);
  expect(await problemOf(one)).toMatch(/^limit-exceeded: .*restored/);
  // 150,000 of 170,000 left; forgotten, it would have been 50,000.
  await expect(commit(payment('40000'))(one)).rejects.toMatchObject({ code: 'limit-exceeded' });
  await expect(commit(payment('50000', paidLater[0]))(one)).rejects.toMatchObject({ code: 'already-paid-by' });
  await expect(commit(payment('50000', paidLater[1]))(two)).rejects.toMatchObject({ code: 'already-paid-by' });
  await signBitcoin(stage, payment('20000'), [two, three]);
  for (const { client, log } of stage.cluster.signers) {
    expect((await client.call('/v1/status', {})).halts).toEqual([]);
    expect(log.filter(({ event }) => event === 'alarm')).toEqual([]);
  }
});

test('a day later it signs again, and still knows what was paid', async () => {
  for (const { dataDir } of [one, two, three]) writeFileSync(join(dataDir, 'time-shift'), String(dayMs + 120_000));
  await waitFor('all signers', 20_000, async () => {
    const all = await Promise.all([one, two, three].map(async ({ client }) => client.call('/v1/status', {})));
    return all.every((status) => status.peers_reachable === 2 && status.problem === null);
  });
  await signBitcoin(stage, payment('50000'), [one, two]);
  await expect(commit(payment('50000', paidLater[0]))(one)).rejects.toMatchObject({ code: 'already-paid-by' });
});

test('auditors see that it was restored, and nothing that does not hold', async () => {
  await Promise.all([one, two, three].map(async (each) => each.stop()));
  let out = '';
  const add = (text: string): void => void (out += text);
  const folders = [one, two, three].map(({ dataDir }) => dataDir);
  expect(await audit(['audit', 'verify', ...folders, '--ceremony', ceremony], { out: add, err: add }), out).toBe(0);
  expect(out).toMatch(/restored from a backup/);
});

function accepted(lines: readonly string[]): JournalRecord[] {
  return lines.map((line) => JSON.parse(line) as JournalRecord).filter(({ kind }) => kind === 'accepted');
}
