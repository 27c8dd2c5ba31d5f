import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { samplePolicy, signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { acceptCeremony } from '../ceremony/accept-ceremony.ts';
import { prepareCeremony } from '../ceremony/prepare-ceremony.ts';
import { loadConfig } from '../config.ts';
import { initSigner } from '../init.ts';
import { fakeToken, type FakeToken } from '../keys/pkcs11/fake-token.test-support.ts';
import { writePolicyFile } from '../policy/policy-files.ts';
import { makeBackup } from './make-backup.ts';
import { restoreBackup } from './restore-backup.ts';

const at = vi.hoisted(() => ({ token: null as FakeToken | null }));
vi.mock('../keys/pkcs11/load-cryptoki.ts', () => ({
  bindingHash: () => 'ab'.repeat(32),
  loadCryptoki: async () => at.token!.cryptoki,
}));

const passphrase = utf8ToBytes('correct horse battery staple');
let folder: string;
let ceremony: string;
const place = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-backup-'));
  at.token = fakeToken();
});
afterEach(() => rmSync(folder, { recursive: true }));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A signer after its ceremony; it never ran. */
async function makeSigner(hasHsm: boolean): Promise<void> {
  const dataDir = place('signer-1');
  const pkcs11 = hasHsm
    ? { module: place('hsm.so'), token: 'token-1', pin_file: place('pin'), key_label: 'signer-1' }
    : null;
  writeFileSync(place('hsm.so'), 'a module', { mode: 0o644 });
  writeFileSync(place('pin'), '1234\n');
  const card = await initSigner(dataDir, 'signer-1', passphrase, { memory_kib: 64, passes: 1 }, pkcs11);
  const peers = [2, 3].map((identifier) => ({
    signer: `signer-${identifier}`,
    identifier,
    url: 'https://127.0.0.1:1',
    fingerprint: `${identifier}f`.repeat(32),
    owner_address: `0x${`${identifier}0`.repeat(20)}`,
    statement_key: `${identifier}e`.repeat(32),
  }));
  const said = {
    signer: 'signer-1',
    identifier: 1,
    listen: { host: '127.0.0.1', port: await freePort() },
    ...(pkcs11 && { pkcs11 }),
    server: { fingerprint: 'aa'.repeat(32) },
    peers,
    networks: [{ network: 'eip155:31337', rpc_urls: ['http://127.0.0.1:8545'] }],
  };
  writeFileSync(join(dataDir, 'config.json'), JSON.stringify(said));
  writePolicyFile(dataDir, signSamplePolicy(samplePolicy()));
  const config = loadConfig(dataDir);
  const own = { dataDir, config, card, verifiers: nobleVerifiers };
  ceremony = prepareCeremony(dataDir, config, card, nobleVerifiers).digest;
  await acceptCeremony({ ...own, expected: ceremony, clock: Date.now, monotonicMs: () => performance.now() });
}
const back = async () => makeBackup(place('signer-1'), place('file'), passphrase, { build: 'source', nowMs: 1_234 });
const restore = async () => restoreBackup(place('file'), place('new'), passphrase, { signer: 'signer-1', ceremony });

test('brings back the emergency key and what it has signed, byte for byte', async () => {
  await makeSigner(false);
  // Left by a backup that was killed, or put there by somebody else.
  symlinkSync(place('elsewhere'), place('file.partial'));
  const names = ['keys/emergency/1.sealed', 'emergency.jsonl'];
  writeFileSync(join(place('signer-1'), 'emergency.jsonl'), '\n{"act":1}\n{"act":2');
  await back();
  expect(existsSync(place('elsewhere'))).toBe(false);
  await restore();
  for (const name of names)
    expect(readFileSync(join(place('new'), name))).toEqual(readFileSync(join(place('signer-1'), name)));
});

test('is not made with a file that no restoration would take', async () => {
  await makeSigner(false);
  const keys = join(place('signer-1'), 'keys');
  copyFileSync(join(keys, 'owner/1.sealed'), join(keys, 'owner/1.old copy.sealed'));
  await expect(back()).rejects.toMatchObject({ code: 'backup-invalid', message: expect.stringMatching(/old copy/) });
  expect(readdirSync(folder).filter((name) => name.startsWith('file'))).toEqual([]);
});

test('takes whole records only, changes nothing, and what comes out says that it is not complete yet', async () => {
  await makeSigner(false);
  const journal = join(place('signer-1'), 'journal.jsonl');
  const whole = readFileSync(journal, 'utf8');
  appendFileSync(journal, '{"seq":4,"kind":"acce');
  const torn = readFileSync(journal, 'utf8');
  expect(await back()).toMatchObject({ signer: 'signer-1', ceremony, journal_seq: 3, made_at_ms: 1_234, hsm: 0 });
  expect(readFileSync(journal, 'utf8')).toBe(torn);
  await restore();
  expect(readFileSync(join(place('new'), 'journal.jsonl'), 'utf8')).toBe(whole);
  expect(JSON.parse(readFileSync(join(place('new'), 'restored.json'), 'utf8'))).toMatchObject({
    backup_seq: 3,
    made_at_ms: 1_234,
  });
});

test('with an HSM it is made without the HSM, says that the keys are elsewhere, and comes back only where they are', async () => {
  await makeSigner(true);
  const own = at.token;
  at.token = null;
  expect(await back()).toMatchObject({ hsm: 1 });
  at.token = fakeToken();
  await expect(restore()).rejects.toMatchObject({ code: expect.stringMatching(/^hsm-/) });
  expect([place('new'), place('new.restoring')].map((path) => existsSync(path))).toEqual([false, false]);
  at.token = own;
  await restore();
  expect(existsSync(place('new'))).toBe(true);
});

test.each([
  ['a damaged key', 'keys/owner/1.sealed', 'wrong-passphrase'],
  ['a damaged journal', 'journal.jsonl', 'journal-broken'],
])('is not made of a signer with %s', async (_, name, code) => {
  await makeSigner(false);
  const path = join(place('signer-1'), name);
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace(/[0-9a-f](?=[0-9a-f]"[,}])/, (digit) => (digit === '0' ? '1' : '0')),
  );
  await expect(back()).rejects.toMatchObject({ code });
  expect(existsSync(place('file'))).toBe(false);
});
