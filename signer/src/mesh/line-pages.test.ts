import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLinePages } from './line-pages.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-lines-'));
  path = join(folder, 'lines');
  writeFileSync(path, 'a\nbb\n\nдд\nee\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('whole lines after one, in whatever order they are asked for, and none beyond the last that counts', async () => {
  const pages = openLinePages(path);
  expect(await pages.page(0, 5)).toEqual(['a', 'bb', '', 'дд', 'ee']);
  expect(await pages.page(3, 5)).toEqual(['дд', 'ee']);
  expect(await pages.page(1, 3)).toEqual(['bb', '']);
  expect(await pages.page(5, 5)).toEqual([]);
  expect(await pages.page(9, 9)).toEqual([]);
  appendFileSync(path, 'ff\ngg');
  expect(await pages.page(5, 9)).toEqual(['ff']);
  expect(await pages.page(2, 4)).toEqual(['', 'дд']);
});

test('a page ends before it is too long for a message, and a longer line is a page of its own', async () => {
  const long = 'x'.repeat(300_000);
  writeFileSync(path, `${long}\n${long}\n${long}${long}\na\n`);
  const pages = openLinePages(path);
  const lengths: number[][] = [];
  for (let after = 0; after < 4;) {
    const lines = await pages.page(after, 4);
    lengths.push(lines.map((line) => line.length));
    after += lines.length;
  }
  expect(lengths).toEqual([[300_000], [300_000], [600_000], [1]]);
});

test('of a long file, wherever it begins', async () => {
  const all = Array.from({ length: 1_000 }, (_, at) => 'x'.repeat(at % 7) + at);
  writeFileSync(path, all.map((line) => `${line}\n`).join(''));
  const pages = openLinePages(path);
  for (const after of [999, 0, 63, 64, 65, 640, 127, 128, 998]) {
    expect(await pages.page(after, 1_000)).toEqual(all.slice(after));
    expect(await pages.page(after, after + 1)).toEqual(all.slice(after, after + 1));
  }
  expect(await pages.page(2 ** 53 - 1, 1_000)).toEqual([]);
});
