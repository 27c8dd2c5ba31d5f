import { expect, test } from 'vitest';
import { openSealed, parseSealed, seal, type SealedFile } from './seal.ts';

const key = new Uint8Array(32).fill(7);
const secret = new TextEncoder().encode('share');

function sample(): SealedFile {
  return seal({
    kdf: { name: 'argon2id', memory_kib: 64, passes: 1, parallelism: 1, salt: '00'.repeat(16) },
    header: { wallet: 'owner', epoch: 1 },
    key,
    nonce: new Uint8Array(24).fill(9),
    plaintext: secret,
  });
}

test('opens what it sealed, through its text form', () => {
  expect(openSealed(parseSealed(JSON.stringify(sample())), key)).toEqual(secret);
  expect(JSON.stringify(sample())).not.toContain('share');
});

test('refuses another key', () => {
  expect(() => openSealed(sample(), new Uint8Array(32).fill(8))).toThrow(
    expect.objectContaining({ code: 'wrong-passphrase' }),
  );
});

test.each<[string, (file: SealedFile) => SealedFile]>([
  ['epoch', (file) => ({ ...file, header: { ...file.header, epoch: 2 } })],
  ['an added header field', (file) => ({ ...file, header: { ...file.header, note: 'x' } })],
  ['passes', (file) => ({ ...file, kdf: { ...file.kdf, passes: 2 } })],
  ['salt', (file) => ({ ...file, kdf: { ...file.kdf, salt: '01'.repeat(16) } })],
  ['nonce', (file) => ({ ...file, nonce: '01'.repeat(24) })],
  ['ciphertext', (file) => ({ ...file, ciphertext: `00${file.ciphertext.slice(2)}` })],
  ['a cut ciphertext', (file) => ({ ...file, ciphertext: file.ciphertext.slice(0, -2) })],
])('refuses an altered %s', (_name, alter) => {
  expect(() => openSealed(alter(sample()), key)).toThrow(expect.objectContaining({ code: 'wrong-passphrase' }));
});

test.each([
  ['no JSON', '{'],
  ['an unknown field', JSON.stringify({ ...sample(), extra: 1 })],
  ['memory beyond the bound', JSON.stringify({ ...sample(), kdf: { ...sample().kdf, memory_kib: 2 ** 30 } })],
])('refuses a file with %s', (_name, text) => {
  expect(() => parseSealed(text)).toThrow(expect.objectContaining({ code: 'wrong-passphrase' }));
});
