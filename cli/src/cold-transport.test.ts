import { readdirSync } from 'node:fs';
import { toFrames } from '@holdfast/core/cold/frames.ts';
import decodeQR from 'qr/decode.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Ceremony, codeOf, etherDraft, holdCeremony } from './cold.test-support.ts';
import { qrText } from './cold-transport.ts';

let stage: Ceremony;
beforeAll(async () => {
  stage = await holdCeremony();
}, 60_000);
afterAll(() => stage?.end());

/** What a camera sees of the half blocks of a terminal: light where they are drawn. */
function photograph(text: string): { width: number; height: number; data: Uint8ClampedArray } {
  const pixels = 4;
  const rows = text.split('\n').filter((line) => line !== '');
  const width = Math.max(...rows.map((row) => row.length));
  const isLight = (x: number, y: number): boolean => {
    const block = rows[Math.floor(y / 2)]?.[x] ?? ' ';
    return block === '█' || block === (y % 2 === 0 ? '▀' : '▄');
  };
  const [wide, high] = [width * pixels, rows.length * 2 * pixels];
  const data = new Uint8ClampedArray(wide * high * 4).fill(255);
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const level = isLight(Math.floor(x / pixels), Math.floor(y / pixels)) ? 255 : 0;
      data.fill(level, (y * wide + x) * 4, (y * wide + x) * 4 + 3);
    }
  }
  return { width: wide, height: high, data };
}

test('the codes in the terminal are read back by a decoder, and fit it', () => {
  for (const frame of toFrames(Uint8Array.from({ length: 450 }, (_, at) => (at * 7) & 0xff))) {
    const text = qrText(frame);
    expect(decodeQR(photograph(text))).toBe(frame);
    const rows = text.split('\n');
    expect(Math.max(...rows.map((row) => row.length))).toBeLessThanOrEqual(80);
  }
});

test('a file goes by frames, from one file or a folder of them, and arrives byte for byte or not at all', async () => {
  const request = await stage.request('refill', etherDraft('1'));
  const { frames } = JSON.parse((await stage.cold('send', request, '--text', '--json')).out) as { frames: string[] };
  expect((await stage.cold('send', request, '--text')).out).toBe(frames.join('\n'));
  const lines = stage.write('lines', `\n${frames.join('\r\n')}\n\n`);
  const out = ['--out', stage.path('received'), '--json'];
  expect((await stage.cold('receive', lines, ...out)).err).toBe('');
  expect(stage.read('received')).toBe(stage.read(request.slice(stage.folder.length + 1)));
  // Written once.
  expect(codeOf(await stage.cold('receive', lines, ...out))).toBe('invalid-request');
  const missing = stage.write('missing', frames.slice(1).join('\n'));
  const elsewhere = ['--out', stage.path('half'), '--json'];
  expect(codeOf(await stage.cold('receive', missing, ...elsewhere))).toBe('cold-frames-missing');
  const altered = stage.write('altered', frames.join('\n').replace(/.$/, '7'));
  expect(codeOf(await stage.cold('receive', missing, altered, ...elsewhere))).toBe('cold-frames-invalid');
  expect(codeOf(await stage.cold('receive', stage.path('nothing'), ...elsewhere))).toBe('invalid-request');
  expect(readdirSync(stage.folder).filter((name) => name.includes('half') || name.endsWith('.tmp'))).toEqual([]);
});
