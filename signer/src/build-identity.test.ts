import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildOf, ownBuild, refuseSource, sourceBuild } from './build-identity.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-build-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const refused = expect.objectContaining({ code: 'build-not-permitted' });

test('the build is the SHA-256 of the file', () => {
  const file = join(folder, 'signer.mjs');
  // FIPS 180-4, example of one block.
  writeFileSync(file, 'abc');
  expect(ownBuild(file, [])).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  writeFileSync(file, 'abd');
  expect(buildOf(file)).not.toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('a file that is not there is no build', () => {
  expect(() => buildOf(join(folder, 'none.mjs'))).toThrow(expect.objectContaining({ code: 'config-invalid' }));
});

test('with code loaded before it a bundle has no build', () => {
  const file = join(folder, 'signer.mjs');
  writeFileSync(file, 'abc');
  expect(() => ownBuild(file, ['--import', './other.mjs'])).toThrow(refused);
});

test('from source it signs on development chains only', () => {
  const [anvil, regtest] = ['eip155:31337', 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328'].map((network) => ({ network }));
  expect(ownBuild(join(folder, 'main.ts'), ['--import', 'x'])).toBe(sourceBuild);
  expect(() => refuseSource(sourceBuild, [anvil!, regtest!])).not.toThrow();
  expect(() => refuseSource(sourceBuild, [anvil!, { network: 'eip155:1' }])).toThrow(refused);
  expect(() => refuseSource('ab'.repeat(32), [{ network: 'eip155:1' }])).not.toThrow();
});
