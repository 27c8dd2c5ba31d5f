import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkBoundaries, readBoundaryInput } from './boundaries.ts';
import { mayImport } from './boundary-rules.ts';
import { repoRoot, workspaces } from './repo-files.ts';

describe('this repository', () => {
  const input = readBoundaryInput(repoRoot);
  const { filesRead, violations } = checkBoundaries(input);

  test('keeps the dependency rule', () => {
    expect(violations.map(({ path, line, rule, message }) => `${path}:${line} ${rule}: ${message}`)).toEqual([]);
  });

  test('has every TypeScript file of every workspace read', () => {
    const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.ts', '*.tsx'], {
      cwd: repoRoot,
      encoding: 'utf8',
    });
    const deleted = execFileSync('git', ['ls-files', '-d'], { cwd: repoRoot, encoding: 'utf8' }).split('\n');
    const expected = listed.split('\n').filter((path) => path !== '' && !deleted.includes(path));
    expect(filesRead).toBeGreaterThan(0);
    expect([...input.sources.keys()].toSorted()).toEqual([...new Set(expected)].toSorted());
    expect(filesRead).toBe(input.sources.size);
  });

  test('has a row in the table for every workspace', () => {
    expect(Object.keys(mayImport).toSorted()).toEqual(workspaces(repoRoot).toSorted());
  });
});

const manifests = {
  'package.json': {
    workspaces: ['core', 'server', 'signer', 'client', 'devnet'],
    devDependencies: { vitest: '1', 'fast-check': '1' },
  },
  'core/package.json': { dependencies: { '@noble/hashes': '1' } },
  'server/package.json': { dependencies: { '@holdfast/core': '1', fastify: '1', pg: '1' } },
  'signer/package.json': { dependencies: { '@holdfast/core': '1' } },
  'client/package.json': { dependencies: { '@holdfast/core': '1' } },
  'devnet/package.json': { dependencies: { '@holdfast/core': '1' } },
};

type Files = Readonly<Record<string, string>>;

/** One planted violation a row; the last column is a neighbour that the rule must let pass. */
const planted: readonly (readonly [rule: string, violating: Files, harmless: Files])[] = [
  [
    'no barrels',
    { 'core/src/money/all.ts': `export * from './asset.ts'; export { a } from './b.ts';` },
    { 'core/src/money/all.ts': `export * from './asset.ts'; export const more = 1;` },
  ],
  [
    'no barrels',
    { 'core/src/money/index.ts': 'export const a = 1;' },
    { 'core/src/money/index-of.ts': 'export const a = 1;' },
  ],
  [
    'literal imports',
    { 'server/src/a.ts': 'export const load = (name: string) => import(name);' },
    { 'server/src/a.ts': `export const load = () => import('./b.ts');` },
  ],
  [
    'core is pure',
    { 'core/src/money/a.ts': `import { readFileSync } from 'node:fs'; readFileSync;` },
    { 'server/src/a.ts': `import { readFileSync } from 'node:fs'; readFileSync;` },
  ],
  [
    'core is pure',
    { 'core/src/money/a.ts': `export const later = () => import('node:crypto');` },
    { 'core/src/money/a.ts': `export const text = "import('node:crypto')"; // import 'node:crypto'` },
  ],
  [
    'workspace table',
    { 'core/src/money/a.ts': `import type { A } from '@holdfast/server/a.ts'; export type B = A;` },
    { 'server/src/a.ts': `import type { A } from '@holdfast/core/a.ts'; export type B = A;` },
  ],
  [
    'workspace table',
    { 'signer/src/a.ts': `export type B = import('@holdfast/server/a.ts').A;` },
    { 'signer/src/a.ts': `export type B = import('@holdfast/core/a.ts').A;` },
  ],
  [
    'workspace table',
    { 'client/src/a.ts': `import { scan } from '@holdfast/core/chains/evm/scan.ts'; scan;` },
    { 'client/src/a.ts': `import { errorRow } from '@holdfast/core/contract/error-codes.ts'; errorRow;` },
  ],
  [
    'workspaces by name',
    { 'server/src/a.ts': `import { a } from '../../core/src/a.ts'; a;` },
    { 'server/src/a.ts': `import { a } from '@holdfast/core/a.ts'; a;` },
  ],
  [
    'workspaces by name',
    { 'test/functional/a.test.ts': `import { a } from '../../core/src/a.ts'; a;` },
    { 'bench/src/a.ts': `import { stage } from '../../test/support/stage.ts'; stage;` },
  ],
  [
    'no tests in production',
    { 'devnet/src/a.ts': `import { stage } from '../../test/support/stage.ts'; stage;` },
    { 'test/functional/a.test.ts': `import { stage } from '../support/stage.ts'; stage;` },
  ],
  [
    'core layers',
    { 'core/src/money/a.ts': `import { a } from '../ledger/a.ts'; a;` },
    { 'core/src/ledger/a.ts': `import { a } from '../money/a.ts'; a;` },
  ],
  [
    'core layers',
    { 'core/src/chains/chain.ts': `import type { A } from '../deposits/a.ts'; export type B = A;` },
    { 'core/src/deposits/a.ts': `import type { A } from '../chains/chain.ts'; export type B = A;` },
  ],
  [
    'core layers',
    { 'core/src/misc/a.ts': `import { a } from '../money/a.ts'; a;` },
    { 'core/src/chains/evm/a.ts': `import { intentDigest } from '../../signing/intent.ts'; intentDigest;` },
  ],
  [
    'domains name no chain',
    { 'core/src/deposits/a.ts': `import { scan } from '../chains/evm/scan.ts'; scan;` },
    {
      'core/src/deposits/a.ts': `import type { ScannedBlock } from '../chains/chain.ts'; export type A = ScannedBlock;`,
    },
  ],
  [
    'chains stand alone',
    { 'core/src/chains/evm/a.ts': `import { a } from '../bitcoin/a.ts'; a;` },
    { 'core/src/chains/evm/a.ts': `import { a } from './b.ts'; a;` },
  ],
  [
    'inspect without build',
    { 'core/src/chains/evm/inspect.ts': `import { a } from './build.ts'; a;` },
    { 'core/src/chains/evm/build.ts': `import { a } from './inspect.ts'; a;` },
  ],
  [
    'inspect without build',
    {
      'core/src/chains/evm/inspect.ts': `import { a } from './shared.ts'; a;`,
      'core/src/chains/evm/shared.ts': `export { a } from './deeper.ts'; export const b = 1;`,
      'core/src/chains/evm/deeper.ts': `import './build-batch.ts'; export const a = 1;`,
      'core/src/chains/evm/build-batch.ts': 'export const c = 1;',
    },
    {
      'core/src/chains/evm/inspect.ts': `import { a } from './shared.ts'; a;`,
      'core/src/chains/evm/build.ts': `import { a } from './shared.ts'; a;`,
      'core/src/chains/evm/shared.ts': 'export const a = 1;',
    },
  ],
  [
    'http never imports store',
    { 'server/src/http/a.ts': `import type { Row } from '../store/a.ts'; export type A = Row;` },
    { 'server/src/jobs/a.ts': `import type { Row } from '../store/a.ts'; export type A = Row;` },
  ],
  [
    'SQL stays in store',
    { 'server/src/jobs/a.ts': `import pg from 'pg'; pg;` },
    { 'server/src/store/a.ts': `import pg from 'pg'; pg;` },
  ],
  [
    'wiring constructs adapters',
    { 'server/src/jobs/a.ts': `import { connect } from '../nodes/a.ts'; connect;` },
    { 'server/src/wiring.ts': `import { connect } from './nodes/a.ts'; connect;` },
  ],
  [
    'wiring constructs adapters',
    { 'signer/src/review/a.ts': `import { connect } from '../nodes/a.ts'; connect;` },
    { 'signer/src/review/a.ts': `import type { Node } from '../nodes/a.ts'; export type A = Node;` },
  ],
  [
    'declared packages',
    { 'signer/src/a.ts': `import { sha256 } from '@noble/hashes/sha2.js'; sha256;` },
    { 'core/src/a.ts': `import { sha256 } from '@noble/hashes/sha2.js'; sha256;` },
  ],
  [
    'declared packages',
    { 'server/src/a.ts': `const x = require('axios'); x;` },
    { 'server/src/a.test.ts': `import { test } from 'vitest'; test;` },
  ],
  [
    'no test runner in production',
    { 'server/src/a.ts': `import { test } from 'vitest'; test;` },
    { 'server/src/a.test.ts': `import { test } from 'vitest'; test;` },
  ],
  [
    'no tests in production',
    { 'server/src/a.ts': `import { a } from './b.test.ts'; a;` },
    { 'server/src/a.test.ts': `import { a } from './b.ts'; a;` },
  ],
];

function check(files: Files): string[] {
  const texts = Object.entries(manifests).map(([path, manifest]) => [path, JSON.stringify(manifest)] as const);
  const input = { sources: new Map(Object.entries(files)), manifests: new Map(texts) };
  return checkBoundaries(input).violations.map(({ rule }) => rule);
}

describe('a planted violation', () => {
  test.each(planted)('of "%s" is found, its harmless neighbour is not', (rule, violating, harmless) => {
    expect(check(violating)).toContain(rule);
    expect(check(harmless)).toEqual([]);
  });

  test('is found in a file that is not yet committed', () => {
    const root = mkdtempSync(join(tmpdir(), 'holdfast-boundaries-'));
    const write = (path: string, text: string): void => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    try {
      execFileSync('git', ['init', '-q'], { cwd: root });
      for (const [path, manifest] of Object.entries(manifests)) write(path, JSON.stringify(manifest));
      write('.gitignore', 'dist/\n');
      write('core/src/clean.ts', 'export const a = 1;');
      write('dist/core/built.ts', `import 'node:fs';`);
      const before = checkBoundaries(readBoundaryInput(root));
      expect(before).toEqual({ filesRead: 1, violations: [] });
      write('core/src/planted.tsx', `import 'node:fs';`);
      const { filesRead, violations } = checkBoundaries(readBoundaryInput(root));
      expect(filesRead).toBe(2);
      expect(violations.map(({ path, rule }) => [path, rule])).toEqual([['core/src/planted.tsx', 'core is pure']]);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  test('cannot hide in a file that does not parse', () => {
    expect(() => check({ 'core/src/a.ts': 'import {' })).toThrow('core/src/a.ts');
  });
});
