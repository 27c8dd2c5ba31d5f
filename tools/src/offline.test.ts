import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseSource } from './parse-source.ts';
import { reachableFrom } from './reachable.ts';
import { repoRoot } from './repo-files.ts';

/** What custodians' commands need of Node. None of these opens a connection. */
const allowed = ['crypto', 'fs', 'path', 'readline/promises', 'stream', 'timers/promises', 'util'].map(
  (name) => `node:${name}`,
);
/** Ways to a network that need no import. */
const connects =
  /(?<![.\w'"`])(fetch|require|getBuiltinModule)\s*\(|\b(WebSocket|EventSource|XMLHttpRequest)\b|process\.binding/;
const comment = /^\s*(\/\/|\/?\*)/;

function connectingLines(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([path, text]) =>
    text
      .split('\n')
      .filter((line) => !comment.test(line) && connects.test(line))
      .map((line) => `${path.slice(repoRoot.length + 1)}: ${line.trim().slice(0, 120)}`),
  );
}

const coldFiles = readdirSync(join(repoRoot, 'cli/src')).filter(
  (name) => /^cold.*\.ts$/.test(name) && !name.includes('.test'),
);

test('nothing that holdfast cold loads can open a connection', { timeout: 30_000 }, () => {
  expect(coldFiles).toContain('cold-run.ts');
  const { files, nodeModules } = reachableFrom(...coldFiles.map((name) => `cli/src/${name}`));
  expect([...nodeModules].filter(([name]) => !allowed.includes(name))).toEqual([]);
  expect(connectingLines(files)).toEqual([]);
  // It has looked where there is something to see.
  const own = [...files.keys()].filter((path) => !path.includes('node_modules'));
  expect(own.length).toBeGreaterThan(30);
  expect(files.size - own.length).toBeGreaterThan(30);
});

test('the same look at the rest of the command line finds its connections', { timeout: 30_000 }, () => {
  expect(connectingLines(reachableFrom('client/src/send.ts').files)).not.toEqual([]);
  expect([...reachableFrom('cli/src/run.ts').files.keys()]).toContain(join(repoRoot, 'client/src/send.ts'));
});

test('the entry loads nothing but what the subcommand needs', () => {
  const path = 'cli/src/main.ts';
  const text = readFileSync(join(repoRoot, path), 'utf8');
  expect(parseSource(path, text).imports.map(({ specifier }) => specifier)).toEqual(['./cold-run.ts', './run.ts']);
  expect(text).not.toMatch(/^import /m);
});
