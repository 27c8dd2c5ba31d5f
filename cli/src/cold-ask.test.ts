import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { askLine, confirmDigest } from './cold-ask.ts';

/** A terminal at which somebody types one line. */
function typing(line: string): { terminal: Parameters<typeof askLine>[2] & object; shown: () => string } {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => input });
  const output = new PassThrough();
  input.write(`${line}\r`);
  return { terminal: { input, output }, shown: () => String(output.read() ?? '') };
}

test('shows what is typed, but never a passphrase', async () => {
  const open = typing('12ab');
  expect(await askLine('Digest: ', false, open.terminal)).toBe('12ab');
  expect(open.shown()).toContain('Digest: ');
  const hidden = typing('a long secret');
  expect(await askLine('Passphrase: ', true, hidden.terminal)).toBe('a long secret');
  const shown = hidden.shown();
  expect(shown).toContain('Passphrase: ');
  expect(shown).not.toContain('secret');
});

test('refuses to wait where nobody sits', async () => {
  const terminal = { input: new PassThrough(), output: new PassThrough() };
  await expect(askLine('Digest: ', false, terminal)).rejects.toThrow('no terminal');
});

test('takes Ctrl-C and Ctrl-D for a no', async () => {
  for (const key of ['\u0003', '\u0004']) {
    await expect(askLine('Digest: ', false, typing(key).terminal)).rejects.toThrow('nothing was typed');
  }
});

test('takes the digest in groups and in capitals, from sixteen digits on', async () => {
  const digest = '0123456789abcdef'.repeat(4);
  for (const good of ['0123456789abcdef', '0123 4567 89AB CDEF 0123', digest]) await confirmDigest(digest, good, '');
  for (const bad of ['', '0123456789abcde', '1123456789abcdef', `${digest}0`]) {
    await expect(confirmDigest(digest, bad, '')).rejects.toMatchObject({ code: 'cold-digest-differs' });
  }
});
