import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleSigner } from './bundle-signer.ts';
import { dependencyClosure } from './dependency-closure.ts';
import type { Lockfile } from './lockfile.ts';
import { repoRoot } from './repo-files.ts';

let folder: string;
beforeAll(() => {
  // A space, and another depth than the checkout's.
  folder = join(mkdtempSync(join(tmpdir(), 'holdfast bundle-')), 'deeper', 'checkout');
  copyCheckout(folder);
});
afterAll(() => rmSync(dirname(dirname(folder)), { recursive: true, force: true }));

/** What the bundle is made of, with packages of its own: as on another machine. */
function copyCheckout(to: string): void {
  const lock = JSON.parse(readFileSync(join(repoRoot, 'package-lock.json'), 'utf8')) as Lockfile;
  const workspaces = ['signer', 'core', 'transport'];
  const packages = dependencyClosure(lock, workspaces).map(({ path }) => path);
  for (const path of ['package.json', ...workspaces, ...packages]) {
    const filter = (file: string): boolean => !/\.(d\.[cm]?ts|map)$/.test(file);
    cpSync(join(repoRoot, path), join(to, path), { recursive: true, filter });
  }
  mkdirSync(join(to, 'node_modules/@holdfast'), { recursive: true });
  for (const name of workspaces) symlinkSync(join('..', '..', name), join(to, 'node_modules/@holdfast', name));
}

test('two checkouts in different places, environments and time zones give the same bytes', async () => {
  const there = await bundleSigner(folder);
  const out = join(dirname(folder), 'out');
  const env = { PATH: process.env['PATH'], NODE_ENV: 'production', TZ: 'Pacific/Apia', LANG: 'tr_TR.UTF-8' };
  const printed = execFileSync(process.execPath, [join(repoRoot, 'tools/src/write-signer-bundle.ts'), '--out', out], {
    cwd: tmpdir(),
    env,
    encoding: 'utf8',
  });
  const written = readFileSync(join(out, 'signer.mjs'));
  expect(written.toString('utf8')).toBe(there.code);
  const build = createHash('sha256').update(written).digest('hex');
  // As sha256sum prints it: an auditor compares this line.
  expect(printed).toBe(`${build}  ${join(out, 'signer.mjs')}\n`);
  expect(there.build).toBe(build);
}, 60_000);

test('code from outside the checkout is in no bundle', async () => {
  const root = join(dirname(folder), 'linked');
  mkdirSync(join(root, 'signer/src'), { recursive: true });
  const outside = join(dirname(folder), 'outside.js');
  writeFileSync(outside, 'console.log(1);\n');
  writeFileSync(join(root, 'signer/src/main.ts'), "import './linked.js';\n");
  symlinkSync(outside, join(root, 'signer/src/linked.js'));
  await expect(bundleSigner(root)).rejects.toThrow(/outside\.js lies outside/);
}, 60_000);

test('the JavaScript around native code is in it, and the native code is found in its package', async () => {
  const { code, files } = await bundleSigner(repoRoot);
  expect(files).toContain('node_modules/pkcs11js/index.js');
  const required = [...code.matchAll(/\b__require\("([^"]+)"\)/g)].map(([, name = '']) => name);
  expect(required.filter((name) => !name.startsWith('node:'))).toEqual(['pkcs11js/build/Release/pkcs11.node']);
}, 60_000);

test('nothing of the machine is in it', async () => {
  const { code } = await bundleSigner(folder);
  for (const text of [folder, repoRoot, tmpdir() + '/', 'sourceMappingURL'])
    expect(code.includes(text), text).toBe(false);
  // It can be read: names and comments are there.
  expect(code).toContain('function judgeBuild(');
  expect(code).toContain('// signer/src/mesh/judge-build.ts');
}, 60_000);
