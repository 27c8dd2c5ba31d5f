import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { initSigner, unlockSigner } from './init.ts';
import { openKeyStore, outerLock } from './keys/key-store.ts';

const weak = { memory_kib: 64, passes: 1 };
const passphrase = utf8ToBytes('correct horse battery staple');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-init-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const init = async (strength = weak) => initSigner(folder, 'signer-1', passphrase, strength);
const at = (...names: string[]) => join(folder, ...names);

test('makes the keys and the first record of the journal, and prints the same card again', async () => {
  const card = await init();
  expect(readFileSync(at('journal.jsonl'), 'utf8')).toMatch(/"kind":"created".*\n$/);
  expect(await init()).toEqual(card);
  expect(readFileSync(at('journal.jsonl'), 'utf8').split('\n')).toHaveLength(2);
});

test('the card names the keys that the passphrase opens', async () => {
  const { signer: _, certificate: __, owner_key: key, ...card } = await init();
  const unlocked = await unlockSigner(folder, passphrase);
  expect(unlocked.card).toEqual(card);
  expect(key).toBe(Buffer.from(unlocked.owner.publicKey).toString('hex'));
  expect(unlocked.statement.publicKey).toBe(card.statement_key);
  expect(readFileSync(at('keys', 'statement', '1.sealed'), 'utf8')).toContain(
    `"statement_key":"${card.statement_key}"`,
  );
});

test('does not open with another passphrase', async () => {
  await init();
  await expect(unlockSigner(folder, utf8ToBytes('wrong'))).rejects.toMatchObject({ code: 'wrong-passphrase' });
});

test('gives a signer that was made before there were statement keys one, and keeps the rest', async () => {
  const card = await init();
  rmSync(at('keys', 'statement'), { recursive: true });
  await expect(unlockSigner(folder, passphrase)).rejects.toMatchObject({ code: 'config-invalid' });
  const again = await init();
  expect({ ...again, statement_key: card.statement_key }).toEqual(card);
  expect(again.statement_key).not.toBe(card.statement_key);
});

test('refuses a statement key that was sealed with weaker parameters than asked for', async () => {
  const salt = '00'.repeat(16);
  mkdirSync(at('keys'));
  const planted = openKeyStore(
    folder,
    await outerLock(passphrase, { name: 'argon2id', parallelism: 1, salt, ...weak }),
  );
  planted.seal('statement/1.sealed', { wallet: 'statement', epoch: 1 }, new Uint8Array(32).fill(1));
  await expect(init({ memory_kib: 128, passes: 1 })).rejects.toMatchObject({ code: 'config-invalid' });
  expect(readdirSync(at('keys'))).toEqual(['statement']);
});

test('makes no second journal for a signer whose journal is gone', async () => {
  await init();
  rmSync(at('journal.jsonl'));
  await expect(init()).rejects.toMatchObject({ code: 'journal-broken', fix: expect.stringMatching(/backup/) });
  expect(readdirSync(folder)).not.toContain('journal.jsonl');
});

test('refuses to seal beside a file with weaker parameters than asked for', async () => {
  const salt = '00'.repeat(16);
  mkdirSync(at('keys'));
  const planted = openKeyStore(
    folder,
    await outerLock(passphrase, { name: 'argon2id', parallelism: 1, salt, ...weak }),
  );
  planted.seal('owner/1.sealed', { wallet: 'owner', epoch: 1 }, new Uint8Array(32).fill(1));
  for (const strength of [
    { memory_kib: 128, passes: 1 },
    { memory_kib: 64, passes: 2 },
  ])
    await expect(init(strength)).rejects.toMatchObject({ code: 'config-invalid' });
  expect(readdirSync(at('keys'))).toEqual(['owner']);
});

test('seals nothing beside a file that the passphrase does not open', async () => {
  const salt = '00'.repeat(16);
  mkdirSync(at('keys'));
  const kdf = { name: 'argon2id', parallelism: 1, salt, ...weak } as const;
  const planted = openKeyStore(folder, await outerLock(utf8ToBytes('another'), kdf));
  planted.seal('identity/1.sealed', { wallet: 'identity', epoch: 1 }, utf8ToBytes('x'));
  await expect(init()).rejects.toMatchObject({ code: 'wrong-passphrase' });
  expect(readdirSync(at('keys'))).toEqual(['identity']);
});

test.each([
  ['owner', 'identity'],
  ['identity', 'owner'],
  ['owner', 'statement'],
])('refuses the secret of %s under the name of %s, and quotes none of it', async (from, to) => {
  await init();
  copyFileSync(at('keys', from, '1.sealed'), at('keys', to, '1.sealed'));
  const error = await unlockSigner(folder, passphrase).catch((problem: unknown) => problem);
  expect(error).toMatchObject({ code: 'wrong-passphrase', message: expect.stringContaining(`${to}/1.sealed`) });
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/PRIVATE/);
});

test('refuses a secret of another epoch', async () => {
  await init();
  const store = (await unlockSigner(folder, passphrase)).store;
  store.seal('n/1.sealed', { wallet: 'n', epoch: 2 }, utf8ToBytes('x'));
  expect(() => store.open('n/1.sealed')).toThrow(expect.objectContaining({ code: 'wrong-passphrase' }));
  renameSync(at('keys', 'n', '1.sealed'), at('keys', 'n', '2.sealed'));
  expect(store.open('n/2.sealed')?.plaintext).toEqual(utf8ToBytes('x'));
});
