import { existsSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { bundleSigner, type SignerBundle } from './bundle-signer.ts';
import { dependencyClosure } from './dependency-closure.ts';
import type { Lockfile } from './lockfile.ts';
import { repoRoot } from './repo-files.ts';

const read = (path: string): string => readFileSync(join(repoRoot, path), 'utf8');
const manifestOf = (path: string) =>
  JSON.parse(read(`${path}/package.json`)) as {
    version: string;
    license?: string;
    scripts?: Readonly<Record<string, string>>;
  };

/** What may be linked into what we ship without conditions on our own code. */
const permissive = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT'];
/** What npm runs at an installation, for a package from a registry. */
const installScripts = ['preinstall', 'install', 'postinstall'];
/** Native code, compiled by hand where it is needed; docs/dependencies.md says how. */
const compiledByHand = ['pkcs11js'];

const lock = JSON.parse(read('package-lock.json')) as Lockfile;
const closure = dependencyClosure(lock, ['signer', 'core', 'transport']);
/** Rows of the table in docs/dependencies.md. */
const listed = listedPackages(read('docs/dependencies.md'));

describe('the signer’s packages', () => {
  test('are those of the list in docs/dependencies.md, at its versions and with its reasons', () => {
    expect(closure.map(({ name, version }) => `${name} ${version}`)).toEqual(
      listed.map(({ name, version }) => `${name} ${version}`),
    );
    expect(listed.filter(({ why }) => why.length < 10)).toEqual([]);
    expect(listed.length).toBeGreaterThan(5);
  });

  test('are there once each, hashed in the lock, and are what is installed', () => {
    expect(new Set(closure.map(({ name }) => name)).size).toBe(closure.length);
    for (const { path, version } of closure) {
      expect(version).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+(-[\w.]+)?$/);
      expect(lock.packages[path]?.['integrity'], path).toMatch(/^sha512-/);
      expect(manifestOf(path).version, path).toBe(version);
    }
  });

  test('run nothing at their installation', () => {
    expect(read('.npmrc').split('\n')).toContain('ignore-scripts=true');
    const running = closure.filter(({ path, hasInstallScript }) => {
      const scripts = manifestOf(path).scripts ?? {};
      // npm compiles whatever has a binding.gyp, without any script in its manifest.
      const compiles = existsSync(join(repoRoot, path, 'binding.gyp'));
      return hasInstallScript || compiles || installScripts.some((name) => scripts[name] !== undefined);
    });
    expect(running.map(({ name }) => name)).toEqual(compiledByHand);
  });

  test('have permissive licences', () => {
    const other = closure.filter(({ path }) => !permissive.includes(manifestOf(path).license ?? ''));
    expect(other.map(({ name }) => name)).toEqual([]);
  });
});

describe('the bundle', () => {
  let bundle: SignerBundle;
  beforeAll(async () => {
    bundle = await bundleSigner(repoRoot);
  }, 30_000);

  test('holds the signer, core, transport and listed packages, nothing else', () => {
    const names = listed.map(({ name }) => name);
    const foreign = bundle.files.filter((path) => {
      const name = packageOf(path);
      return name === undefined ? !/^(core|signer|transport)\/src\/[\w./-]+\.ts$/.test(path) : !names.includes(name);
    });
    expect(foreign).toEqual([]);
    expect(bundle.files).toContain('signer/src/main.ts');
    expect(bundle.files.filter((path) => /\.test(-support)?\.ts$/.test(path))).toEqual([]);
  });

  test('loads nothing but Node’s own modules by an import statement', () => {
    const builtin = new Set(builtinModules.map((name) => `node:${name}`));
    const others = bundle.imports.filter((name) => !builtin.has(name));
    expect(others).toEqual([]);
    // By the text as well: every import statement, whoever lists them.
    const statements = [...bundle.code.matchAll(/^(?:import|export) [^;]*? from "([^"]+)";$|^import "([^"]+)";$/gm)];
    const named = new Set(statements.map(([, from, bare]) => from ?? bare ?? ''));
    const known = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]));
    expect([...named].filter((name) => !known.has(name))).toEqual([]);
    expect(named.size).toBeGreaterThan(5);
  });
});

test('a file belongs to the innermost package around it', () => {
  expect(packageOf('node_modules/a/index.js')).toBe('a');
  expect(packageOf('node_modules/@b/c/index.js')).toBe('@b/c');
  expect(packageOf('node_modules/a/node_modules/evil/index.js')).toBe('evil');
  expect(packageOf('signer/node_modules/@b/c/deep/index.js')).toBe('@b/c');
  expect(packageOf('core/src/node_modules.ts')).toBeUndefined();
});

describe('the closure', () => {
  const packages: Lockfile['packages'] = {
    signer: { dependencies: { a: '1.0.0', '@own/core': '0.1.0' } },
    'node_modules/@own/core': { resolved: 'core', link: true },
    core: { dependencies: { b: '1.0.0' }, devDependencies: { 'only-tests': '1.0.0' } },
    'node_modules/a': { version: '1.0.0', dependencies: { c: '^1.0.0' }, optionalDependencies: { gone: '1.0.0' } },
    'node_modules/b': { version: '1.0.0', peerDependencies: { c: '2' }, hasInstallScript: true },
    'node_modules/c': { version: '2.0.0' },
    'node_modules/a/node_modules/c': { version: '1.0.1', dependencies: { d: '1' } },
    'node_modules/d': { version: '1.0.0' },
    'node_modules/only-tests': { version: '1.0.0' },
  };

  test('follows workspaces, peers and nested packages as Node finds them', () => {
    expect(dependencyClosure({ packages }, ['signer']).map(({ path, version }) => `${path} ${version}`)).toEqual([
      'node_modules/a 1.0.0',
      'node_modules/a/node_modules/c 1.0.1',
      'node_modules/b 1.0.0',
      'node_modules/c 2.0.0',
      'node_modules/d 1.0.0',
    ]);
    expect(dependencyClosure({ packages }, ['core']).map(({ hasInstallScript }) => hasInstallScript)).toEqual([
      true,
      false,
    ]);
  });

  test('does not pass over a package that the lock lacks', () => {
    const { 'node_modules/d': _, ...without } = packages;
    expect(() => dependencyClosure({ packages: without }, ['signer'])).toThrow(
      'no d for node_modules/a/node_modules/c',
    );
  });
});

/** Of a file in a package; undefined for our own. */
function packageOf(path: string): string | undefined {
  return /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
}

/** The rows below the heading. */
function listedPackages(text: string): { name: string; version: string; why: string }[] {
  const [, section = ''] = /\n## The signer's set\n([\s\S]*?)\n## /.exec(text) ?? [];
  return [...section.matchAll(/^\| (?!package|-)(\S+) \| (\S+) \| [^|]+ \| ([^|]+) \|$/gm)].map(
    ([, name = '', version = '', why = '']) => ({ name, version, why }),
  );
}
