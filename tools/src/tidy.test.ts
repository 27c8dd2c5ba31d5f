import { describe, expect, test } from 'vitest';
import { bannedTexts } from './banned-text.ts';
import { repoRoot } from './repo-files.ts';
import { checkTidy, fileBytesMax, fileLinesMax, functionLinesMax, readTidyInput, type Ratchet } from './tidy.ts';

test('this repository is tidy', () => {
  const input = readTidyInput(repoRoot);
  expect(input.files.size).toBeGreaterThan(100);
  expect(checkTidy(input).map(({ path, line, rule, message }) => `${path}:${line} ${rule}: ${message}`)).toEqual([]);
});

const none: Ratchet = { files: {}, functions: {} };

function check(path: string, text: string, ratchet = none, ratchetBefore?: Ratchet): string[] {
  const files = new Map([[path, Buffer.from(text)]]);
  return checkTidy({ files, ratchet, ratchetBefore }).map(({ rule }) => rule);
}

const planted: readonly (readonly [rule: string, path: string, banned: string, harmless: string])[] = [
  ['console in a library', 'server/src/a.ts', `console.log('x');`, `log.info('x');`],
  ['any', 'core/src/a.ts', 'const a = b as any;', 'const a = b as unknown; // as many'],
  ['silenced compiler', 'core/src/a.ts', '// @ts-ignore', '// @ts-expect-error a string on purpose'],
  [
    'silenced lint',
    'core/src/a.ts',
    '// oxlint-disable-next-line no-console',
    '// oxlint-disable-next-line no-console -- the result',
  ],
  ['focused or skipped test', 'core/src/a.test.ts', `test.only('x', f);`, `test.each([])('x', f);`],
  ['path out of a URL', 'core/src/a.test.ts', `new URL('x', import.meta.url).pathname`, `new URL('x', base).pathname`],
  ['focused or skipped test', 'core/src/a.test.ts', `describe.skipIf(slow)('x', f);`, `describe.concurrent('x', f);`],
  ['note to self', 'docs/a.md', 'TODO: write', 'to do: write'],
  ['clock out of thin air', 'server/src/jobs/a.ts', 'const nowMs = Date.now();', 'const nowMs = clock.nowMs();'],
  ['weak randomness', 'server/src/a.ts', 'Math.random()', 'Math.round(1)'],
  ['number as money', 'core/src/a.ts', 'parseFloat(amount)', 'parseUnits(amount, 6)'],
  ['undocumented environment', 'server/src/jobs/a.ts', `process.env['DEBUG']`, `process.env['DATABASE_URL']`],
  ['default export', 'core/src/a.ts', 'export default 1;', 'export const a = 1;'],
  [
    'package registry or mirror',
    'package-lock.json',
    '"resolved": "https://registry.npmjs.org/a"',
    '"url": "https://opencollective.com/a"',
  ],
  ['path of one machine', 'README.md', 'run `/home/me/holdfast/start`', 'run `./start`, or `/usr/home/page`'],
  ['dash of a typesetter', 'README.md', 'a \u2014 b', 'a - b'],
  ['space at the end', 'README.md', 'a ', 'a'],
  ['carriage return', 'README.md', 'a\r', 'a'],
];

describe('banned text', () => {
  test.each(planted)('%s in %s: %s', (rule, path, banned, harmless) => {
    expect(check(path, `${banned}\n`)).toEqual([rule]);
    expect(check(path, `${harmless}\n`)).toEqual([]);
  });

  test('has a planted example for every rule', () => {
    expect([...new Set(planted.map(([rule]) => rule))].toSorted()).toEqual(
      bannedTexts.map(({ name }) => name).toSorted(),
    );
  });
});

const fileOf = (lines: number): string => 'export {};\n'.repeat(lines);
const functionOf = (lines: number): string => `export function long() {${'\n'.repeat(lines - 1)}}\n`;

describe('caps', () => {
  test('on lines of a file', () => {
    expect(check('core/src/a.ts', fileOf(fileLinesMax))).toEqual([]);
    expect(check('core/src/a.ts', fileOf(fileLinesMax + 1))).toEqual(['file length']);
  });

  test('on lines of a function, the tests aside', () => {
    expect(check('core/src/a.ts', functionOf(functionLinesMax))).toEqual([]);
    expect(check('core/src/a.ts', functionOf(functionLinesMax + 1))).toEqual(['function length']);
    expect(check('core/src/a.test.ts', functionOf(functionLinesMax + 1))).toEqual([]);
  });

  test('on lines of a function without those of the functions inside it', () => {
    const inner = (lines: number): string => `const inner = () => {${'\n'.repeat(lines - 1)}};\n`;
    const outer = (...bodies: string[]): string => `export function outer() {\n${bodies.join('')}}\n`;
    expect(check('core/src/a.ts', outer(inner(60), inner(60)))).toEqual([]);
    expect(check('core/src/a.ts', outer(inner(functionLinesMax + 1)))).toEqual(['function length']);
    expect(check('core/src/a.ts', outer(inner(60), '\n'.repeat(functionLinesMax)))).toEqual(['function length']);
  });

  test('on bytes', () => {
    expect(check('docs/picture.bin', `\0${'x'.repeat(fileBytesMax)}`)).toEqual(['file size']);
    expect(check('docs/picture.bin', `\0${'x'.repeat(fileBytesMax - 1)}`)).toEqual([]);
  });

  test('on the last line', () => {
    expect(check('README.md', 'no end')).toEqual(['last line']);
  });
});

describe('the ratchet', () => {
  const listed: Ratchet = { files: {}, functions: { 'core/src/a.ts#long': 80 } };

  test('lets a listed function be as long as listed and no longer', () => {
    expect(check('core/src/a.ts', functionOf(80), listed)).toEqual([]);
    expect(check('core/src/a.ts', functionOf(81), listed)).toEqual(['function length']);
  });

  test('must follow when the function shrinks', () => {
    expect(check('core/src/a.ts', functionOf(79), listed)).toEqual(['ratchet']);
    expect(check('core/src/a.ts', functionOf(10), listed)).toEqual(['ratchet']);
  });

  test('takes no new and no larger entry once it is committed', () => {
    expect(check('core/src/a.ts', functionOf(80), listed, listed)).toEqual([]);
    expect(check('core/src/a.ts', functionOf(80), listed, none)).toEqual(['ratchet']);
  });
});
