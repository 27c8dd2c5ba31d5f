import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { samplePolicy, secretOf, signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { decideHalt } from '@holdfast/core/signing/decide-halt.ts';
import type { SignedHalt } from '@holdfast/core/signing/halt.ts';
import { emptyState } from '@holdfast/core/signing/journal-state.ts';
import { nobleVerifiers } from '@holdfast/core/signing/noble-verifiers.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { run } from './run.ts';

const policy = samplePolicy();
const network = 'eip155:31337';
const usdt = policy.networks.flatMap((one) => (one.family === 'evm' ? one.assets : []))[1]!.asset;
let folder: string;
let token: string;
let count = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-test-token-'));
  for (const name of ['watcher-1', 'admin-1']) {
    writeFileSync(join(folder, name), Buffer.from(secretOf(name)).toString('hex'));
  }
  writeFileSync(join(folder, 'policy.json'), JSON.stringify(signSamplePolicy(policy)));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  token = join(folder, `token-${(count += 1)}.json`);
});

interface Options {
  readonly key?: string;
  readonly keyId?: string;
  readonly rest?: readonly string[];
}

async function make({ key = 'watcher-1', keyId = 'watcher-1', rest = [] }: Options = {}) {
  const said = { out: '', err: '' };
  const options = ['--policy', join(folder, 'policy.json'), '--key', join(folder, key), '--key-id', keyId, ...rest];
  const code = await run(['halt-token', token, ...options, '--config', join(folder, 'no-such-config.json')], {
    out: (text) => (said.out += text),
    err: (text) => (said.err += text),
  });
  return { code, ...said };
}

const written = (): SignedHalt => JSON.parse(readFileSync(token, 'utf8')) as SignedHalt;

test('makes a token that a signer with that policy takes', async () => {
  for (const [rest, scope] of [
    [[], { network: null, asset: null }],
    [['--network', network.toUpperCase()], { network, asset: null }],
    [['--network', network, '--asset', usdt.toUpperCase(), '--reason', 'r'.repeat(200)], { network, asset: usdt }],
  ] as const) {
    expect(await make({ rest })).toMatchObject({ code: 0, err: '' });
    const signed = written();
    expect(signed.statement.scope).toEqual(scope);
    expect(decideHalt(emptyState(), signed, { policy, verifiers: nobleVerifiers })).toMatchObject({
      body: { by: 'watcher-1' },
    });
    rmSync(token);
  }
});

test.each<[string, Options, number, RegExp]>([
  ['a reason that no signer reads', { rest: ['--reason', 'r'.repeat(201)] }, 2, /statement\/reason/],
  ['an empty reason', { rest: ['--reason', ''] }, 2, /statement\/reason/],
  ['a network that the policy does not have', { rest: ['--network', 'eip155:31338'] }, 2, /no network eip155:31338/],
  ['an asset of another network', { rest: ['--network', network, '--asset', 'bip122:0/slip44:0'] }, 2, /no asset/],
  ['a key that may not halt', { key: 'admin-1', keyId: 'admin-1' }, 3, /not halt key admin-1/],
  ['another key under the name of one that may', { key: 'admin-1' }, 3, /not halt key watcher-1/],
  ['a name that is too long', { keyId: 'w'.repeat(500) }, 3, /not halt key/],
])('makes no token with %s', async (_name, options, code, message) => {
  const made = await make(options);
  expect(made).toMatchObject({ code, out: '' });
  expect(made.err).toMatch(message);
  expect(existsSync(token)).toBe(false);
});

test('asks for a pause only when told to, and never with an asset', async () => {
  await make();
  expect(written().statement).not.toHaveProperty('pause');
  token += '.pause';
  expect(await make({ rest: ['--pause'] })).toMatchObject({
    code: 0,
    out: expect.stringContaining('pauses the vaults'),
  });
  expect(written().statement.pause).toBe(true);
  expect(decideHalt(emptyState(), written(), { policy, verifiers: nobleVerifiers })).not.toBeNull();
  const ofAsset = ['--pause', '--network', network, '--asset', usdt];
  expect(await make({ rest: ofAsset })).toMatchObject({ code: 2, err: expect.stringContaining('pauses no vault') });
});

test('makes none without a policy, and writes over no file', async () => {
  const silent = { out: () => undefined, err: () => undefined };
  expect(await run(['halt-token', token, '--key', join(folder, 'watcher-1'), '--key-id', 'watcher-1'], silent)).toBe(2);
  expect(existsSync(token)).toBe(false);
  writeFileSync(token, 'kept');
  expect((await make()).code).toBe(2);
  expect(readFileSync(token, 'utf8')).toBe('kept');
});
