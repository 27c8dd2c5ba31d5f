import { PassThrough } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
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

describe('the digest', () => {
  const digest = '0123456789abcdef'.repeat(4);
  const groups = digest.toUpperCase().replace(/(.{4})/g, '$1 ');
  const confirmation = { digest, shown: 'what it does', given: undefined, asJson: false, isWhole: false };
  const differs = { code: 'cold-digest-differs' };

  test('is given in full, in groups and in capitals too, and is shown with what it stands for before', async () => {
    for (const given of [digest, groups]) {
      const { terminal, shown } = typing('');
      await confirmDigest({ ...confirmation, given }, terminal);
      expect(shown()).toContain('what it does');
    }
    for (const given of ['', digest.slice(0, 16), digest.slice(0, 63), `1${digest.slice(1)}`, `${digest}0`])
      await expect(confirmDigest({ ...confirmation, given }, typing('').terminal)).rejects.toMatchObject(differs);
  });

  test('is typed from half of its digits on, or whole where a setup is pinned', async () => {
    for (const [line, isWhole, isTaken] of [
      [digest.slice(0, 31), false, false],
      [digest.slice(0, 32), false, true],
      [groups.slice(0, 48), false, true],
      [digest.slice(0, 63), true, false],
      [digest, true, true],
    ] as const) {
      const answer = confirmDigest({ ...confirmation, isWhole }, typing(line).terminal);
      await (isTaken ? expect(answer).resolves.toBe(undefined) : expect(answer).rejects.toMatchObject(differs));
    }
  });

  test('leaves stdout to the program that asks for JSON', async () => {
    const { terminal, shown } = typing('');
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      await confirmDigest({ ...confirmation, given: digest, asJson: true }, terminal);
      expect([shown(), said.mock.calls]).toEqual(['', [['what it does\n\n']]]);
    } finally {
      said.mockRestore();
    }
  });
});
