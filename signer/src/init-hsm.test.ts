import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import * as durable from './durable-file.ts';
import { initSigner, unlockSigner } from './init.ts';
import { fakeToken, type FakeToken } from './keys/pkcs11/fake-token.test-support.ts';

/** Modules that were loaded, and the token behind all of them. */
const at = vi.hoisted(() => ({ loaded: [] as string[], token: null as FakeToken | null }));
vi.mock('./keys/pkcs11/load-cryptoki.ts', () => ({
  bindingHash: () => 'ab'.repeat(32),
  loadCryptoki: async (module: string) => {
    at.loaded.push(module);
    return at.token!.cryptoki;
  },
}));
vi.mock('./durable-file.ts', async (original) => {
  const real = await original<typeof durable>();
  return { ...real, writeFileDurably: vi.fn<typeof real.writeFileDurably>(real.writeFileDurably) };
});

const weak = { memory_kib: 64, passes: 1 };
const passphrase = utf8ToBytes('correct horse battery staple');
let folder: string;
let dataDir: string;
let pkcs11: { module: string; token: string; pin_file: string; key_label: string };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-init-hsm-'));
  dataDir = join(folder, 'signer-1');
  mkdirSync(dataDir);
  pkcs11 = { module: join(folder, 'hsm.so'), token: 'token-1', pin_file: join(folder, 'pin'), key_label: 'signer-1' };
  writeFileSync(pkcs11.module, 'a module', { mode: 0o644 });
  writeFileSync(pkcs11.pin_file, '1234\n');
  at.token = fakeToken();
  at.loaded.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

const init = async (change: Partial<typeof pkcs11> | null = {}) =>
  initSigner(dataDir, 'signer-1', passphrase, weak, change && { ...pkcs11, ...change });
const unlock = async (change: Partial<typeof pkcs11> = {}, by = passphrase) =>
  unlockSigner(dataDir, by, { signer: 'signer-1', pkcs11: { ...pkcs11, ...change } });

test('opens with the module that it was made with, and tells its hash', async () => {
  const { owner_address: made } = await init();
  const { card, module } = await unlock();
  expect(card.owner_address).toBe(made);
  expect(module).toEqual({
    path: pkcs11.module,
    binding: 'ab'.repeat(32),
    sha256: 'f6c0d945dc8a9e01854484f4e9b123945919e553778d4386d1d939451c038a0c',
  });
});

test('loads no module that config.json names for a signer in software', async () => {
  await init(null);
  await expect(unlock()).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringMatching(/made without an HSM/),
  });
  expect(at.loaded).toEqual([]);
});

test('loads no module other than the one that it was made with', async () => {
  await init();
  at.loaded.length = 0;
  const planted = join(folder, 'planted.so');
  copyFileSync(pkcs11.module, planted);
  for (const opening of [unlock({ module: planted }), init({ module: planted })])
    await expect(opening).rejects.toMatchObject({ code: 'config-invalid', fix: expect.stringMatching(/link/) });
  expect(at.loaded).toEqual([]);
});

test('loads no module when the file that names it is gone', async () => {
  await init();
  at.loaded.length = 0;
  rmSync(join(dataDir, 'keys', 'owner'), { recursive: true });
  await expect(unlock()).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringMatching(/not complete/),
  });
  expect(at.loaded).toEqual([]);
});

test.each([
  ['identity', '"wrapped":"pkcs11"', '"wrapped":"pkcs12"'],
  ['owner', '/hsm.so', '/bad.so'],
])('loads no module when the header of %s was changed, nor with another passphrase', async (name, from, to) => {
  await init();
  at.loaded.length = 0;
  await expect(unlock({}, utf8ToBytes('another'))).rejects.toMatchObject({ code: 'wrong-passphrase' });
  const path = join(dataDir, 'keys', name, '1.sealed');
  writeFileSync(path, readFileSync(path, 'utf8').replace(from, to));
  await expect(unlock()).rejects.toMatchObject({ code: 'wrong-passphrase' });
  expect(at.loaded).toEqual([]);
});

test.each([0o664, 0o646])('loads no module of mode %o', async (mode) => {
  chmodSync(pkcs11.module, mode);
  await expect(init()).rejects.toMatchObject({ code: 'config-invalid', message: expect.stringMatching(/written/) });
  expect(at.loaded).toEqual([]);
});

test.each([
  ['module', copyFileSync],
  ['link to a module', symlinkSync],
])('loads no %s out of its data folder', async (_, put) => {
  const module = join(dataDir, 'hsm.so');
  put(pkcs11.module, module);
  await expect(init({ module })).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringMatching(/inside the data folder/),
  });
  expect(at.loaded).toEqual([]);
});

test('a file that could not be sealed leaves neither itself nor keys', async () => {
  const { writeFileDurably: write } = await vi.importActual<typeof durable>('./durable-file.ts');
  const destroy = vi.spyOn(at.token!.cryptoki, 'C_DestroyObject');
  const owner = join(dataDir, 'keys', 'owner', '1.sealed');
  const wasThere: boolean[] = [];
  vi.mocked(durable.writeFileDurably).mockImplementationOnce((...given) => {
    write(...given);
    throw new Failure('internal', 'the folder was not flushed');
  });
  destroy.mockImplementation((_session, key) => {
    wasThere.push(existsSync(owner));
    at.token!.objects.delete(key.toString('hex'));
  });
  await expect(init()).rejects.toMatchObject({ message: 'the folder was not flushed' });
  expect(wasThere).toEqual([false, false, false]);
  expect(at.token!.objects.size).toBe(0);
  await expect(init()).resolves.toMatchObject({ signer: 'signer-1' });
});

test('says so when the keys of a signer that was not made stay in the token', async () => {
  vi.mocked(durable.writeFileDurably).mockImplementationOnce(() => {
    throw new Failure('internal', 'the disk is full');
  });
  at.token!.fails.set(
    'C_DestroyObject',
    Array.from({ length: 3 }, () => 'CKR_DEVICE_ERROR'),
  );
  await expect(init()).rejects.toMatchObject({
    message: 'the disk is full; and 3 new keys under the label signer-1 could not be deleted',
  });
});
