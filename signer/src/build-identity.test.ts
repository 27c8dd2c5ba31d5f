import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildOf, ownBuild, refuseSource, sourceBuild, type Start } from './build-identity.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-build-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const started = (file: string): Start => ({ file, isMain: true, options: [], env: {} });
const refused = expect.objectContaining({ code: 'build-not-permitted' });

test('the build is the SHA-256 of the file', () => {
  const file = join(folder, 'signer.mjs');
  // FIPS 180-4, example of one block.
  writeFileSync(file, 'abc');
  expect(ownBuild(started(file))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  writeFileSync(file, 'abd');
  expect(buildOf(file)).not.toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('a file that is not there is no build', () => {
  expect(() => buildOf(join(folder, 'none.mjs'))).toThrow(expect.objectContaining({ code: 'config-invalid' }));
});

test.each<[string, Partial<Start>]>([
  ['code loaded before it', { options: ['--import', './other.mjs'] }],
  ['a module that loads it', { isMain: false }],
  ['options in the environment', { env: { NODE_OPTIONS: '--import ./other.mjs' } }],
  ['compiled code from elsewhere', { env: { NODE_COMPILE_CACHE: '/tmp' } }],
  ['authorities of somebody', { env: { NODE_EXTRA_CA_CERTS: '/tmp/ca.pem' } }],
  ['a library of somebody', { env: { LD_PRELOAD: '/tmp/a.so' } }],
  ['an OpenSSL of somebody', { env: { OPENSSL_CONF: '/tmp/openssl.cnf' } }],
])('with %s a bundle has no build', (_what, change) => {
  const file = join(folder, 'signer.mjs');
  writeFileSync(file, 'abc');
  expect(() => ownBuild({ ...started(file), ...change })).toThrow(refused);
});

test('what names no code is let be', () => {
  const file = join(folder, 'signer.mjs');
  writeFileSync(file, 'abc');
  const env = { PATH: '/bin', NODE_ENV: 'test', NODE_OPTIONS: '' };
  expect(ownBuild({ ...started(file), env })).toBe(ownBuild(started(file)));
});

test('from source it signs on development chains only', () => {
  const [anvil, regtest] = ['eip155:31337', 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328'].map((network) => ({ network }));
  expect(ownBuild({ ...started(join(folder, 'main.ts')), options: ['--import', 'x'] })).toBe(sourceBuild);
  expect(() => refuseSource(sourceBuild, [anvil!, regtest!])).not.toThrow();
  expect(() => refuseSource(sourceBuild, [anvil!, { network: 'eip155:1' }])).toThrow(refused);
  expect(() => refuseSource('ab'.repeat(32), [{ network: 'eip155:1' }])).not.toThrow();
});
