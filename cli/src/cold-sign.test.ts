import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { canonicalText } from '@holdfast/core/cold/parse-canonical.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { type ColdPartial, requestDigest } from '@holdfast/core/cold/request.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Ceremony,
  coldSafe,
  codeOf,
  draft,
  etherDraft,
  evmNetwork,
  holdCeremony,
  readRequest,
  refillDraft,
  weak,
} from './cold.test-support.ts';

let stage: Ceremony;
beforeAll(async () => {
  stage = await holdCeremony();
}, 60_000);
afterAll(() => stage?.end());

describe('signing', () => {
  test('asks for the digest that was compared, and leaves nothing behind when it is another', async () => {
    const file = await stage.request('refill', etherDraft('1'));
    const before = readdirSync(stage.path('ada'));
    const register = stage.read('ada/register.json');
    for (const digest of ['00'.repeat(32), requestDigest(readRequest(file)).slice(0, 63), 'zz']) {
      const said = await stage.sign('ada', file, 'never.partial', digest);
      expect([said.code, said.out]).toEqual([3, '']);
      expect(said.err).toContain('the digest is');
    }
    expect(readdirSync(stage.path('ada'))).toEqual(before);
    expect(stage.read('ada/register.json')).toBe(register);
    expect(readdirSync(stage.folder)).not.toContain('never.partial');
    const spoken = requestDigest(readRequest(file))
      .toUpperCase()
      .replace(/(.{4})/g, '$1 ');
    expect((await stage.sign('ada', file, stage.fresh('partial'), spoken)).code).toBe(0);
  });

  test('is refused past the expiry, and so is combining', async () => {
    const good = readRequest(await stage.request('refill', etherDraft('2')));
    const late = { ...good, created_at: '2026-01-01T00:00:00.000Z', expires_at: '2026-01-02T00:00:00.000Z' };
    const file = stage.write(stage.fresh('late'), canonicalText(late));
    const { code, out } = await stage.cold('show', file, '--keys', stage.path('ada'));
    expect([code, out]).toEqual([0, expect.stringContaining('PAST by the clock of this machine')]);
    const said = await stage.sign('ada', file, 'late.partial');
    expect(said.err).toContain('the request expired at 2026-01-02T00:00:00.000Z');
    const setup = ['--setup', stage.path('setup.json'), '--out', stage.path('late.done'), '--json'];
    expect(codeOf(await stage.cold('combine', file, file, ...setup))).toBe('cold-request-expired');
    expect(readdirSync(stage.folder).filter((name) => name.startsWith('late.'))).toEqual([]);
  });

  test('of a second request for the same nonce or coin waits for an abort of the first', async () => {
    const first = await stage.request('refill', etherDraft('3'));
    const second = await stage.request('refill', { ...etherDraft('3'), amount: '1' });
    expect((await stage.sign('ben', first, stage.fresh('partial'))).code).toBe(0);
    expect((await stage.sign('ben', first, stage.fresh('partial'))).code).toBe(0);
    const said = await stage.sign('ben', second, stage.fresh('partial'));
    expect(said.code).toBe(3);
    expect(said.err).toContain('holdfast cold abort');
    const digest = requestDigest(readRequest(first));
    const keys = ['--keys', stage.path('ben')];
    expect((await stage.cold('abort', '11'.repeat(32), ...keys)).code).toBe(4);
    expect((await stage.cold('abort', digest.slice(0, 16), ...keys)).code).toBe(2);
    expect((await stage.cold('abort', digest, ...keys)).code).toBe(0);
    expect((await stage.sign('ben', second, stage.fresh('partial'))).code).toBe(0);
    expect(stage.shown()).not.toContain('not aborted, on the same network');
    expect((await stage.sign('ben', first, stage.fresh('partial'))).err).toContain('aborted');
    // The same payment at a later nonce is another payment.
    const third = await stage.request('refill', etherDraft('33'));
    expect((await stage.sign('ben', third, stage.fresh('partial'))).code).toBe(0);
    expect(stage.shown()).toContain('Signed here before and not aborted, on the same network: 1:');
    expect(stage.shown()).toMatch(new RegExp(`^ +signed .* ${requestDigest(readRequest(second))}, .*/nonce/3$`, 'm'));
    // Of coins, one is enough.
    const { coins } = refillDraft(stage, 1n, 2_000_000n, 3_000_000n, 4_000_000n);
    const [a, b, c] = coins;
    const one = await stage.request('refill', { ...refillDraft(stage, 1_000_000n), coins: [a, b] });
    const other = await stage.request('refill', { ...refillDraft(stage, 1_000_000n), coins: [b, c] });
    expect((await stage.sign('ben', one, stage.fresh('partial'))).code).toBe(0);
    expect((await stage.sign('ben', other, stage.fresh('partial'))).code).toBe(3);
  });

  test('of two requests for one nonce at the same time is of one of them', async () => {
    const files = [
      await stage.request('refill', etherDraft('30')),
      await stage.request('refill', { ...etherDraft('30'), amount: '1' }),
    ];
    const said = await Promise.all(files.map((file) => stage.sign('dee', file, stage.fresh('partial'))));
    expect(said.map(({ code }) => code).toSorted((one, other) => one - other)).toEqual([0, 3]);
    const { entries } = JSON.parse(stage.read('dee/register.json')) as { entries: unknown[] };
    expect(entries).toHaveLength(1);
  });

  test('waits for another process with the same folder, and says what to do with the lock of a dead one', async () => {
    const file = await stage.request('refill', etherDraft('31'));
    const register = stage.read('eve/register.json');
    const dead = spawnSync(process.execPath, ['--version']).pid;
    for (const [holder, why] of [
      [process.pid, `process ${process.pid} works with this key folder`],
      [dead, 'was left by a process that is gone'],
      ['', 'was left by a process that is gone'],
    ] as const) {
      stage.write('eve/lock', String(holder));
      for (const said of [
        await stage.sign('eve', file, 'never.locked'),
        await stage.cold('abort', '11'.repeat(32), '--keys', stage.path('eve')),
      ]) {
        expect([said.code, said.err]).toEqual([2, expect.stringContaining(why)]);
      }
    }
    expect(stage.read('eve/register.json')).toBe(register);
    expect(readdirSync(stage.folder)).not.toContain('never.locked');
    rmSync(stage.path('eve/lock'));
    expect((await stage.sign('eve', file, stage.fresh('partial'))).code).toBe(0);
    expect(readdirSync(stage.path('eve'))).not.toContain('lock');
  });

  test('with a lost register, a wrong passphrase or no keys is refused', async () => {
    const file = await stage.request('refill', etherDraft('4'));
    const args = (folder: string) => [
      'sign',
      file,
      '--keys',
      stage.path(folder),
      '--out',
      stage.path('never'),
      '--json',
      '--digest',
      requestDigest(readRequest(file)),
    ];
    expect(codeOf(await stage.cold(...args('nobody')))).toBe('cold-setup-differs');
    const passphrase = process.env['HOLDFAST_PASSPHRASE_FILE'];
    process.env['HOLDFAST_PASSPHRASE_FILE'] = stage.write('wrong', 'another');
    expect(codeOf(await stage.cold(...args('cyd')))).toBe('wrong-passphrase');
    process.env['HOLDFAST_PASSPHRASE_FILE'] = passphrase;
    const register = stage.read('cyd/register.json');
    stage.write('cyd/register.json', register.slice(0, -3));
    expect(codeOf(await stage.cold(...args('cyd')))).toBe('cold-register-broken');
    stage.write('cyd/register.json', register);
    expect(readdirSync(stage.folder)).not.toContain('never');
  });
});

describe('combining', () => {
  test('refuses strangers, duplicates, altered and foreign signatures, and too few', async () => {
    const file = await stage.request('refill', etherDraft('5'));
    const other = await stage.request('refill', etherDraft('6'));
    const partial = async (name: string, of: string): Promise<string> => {
      const out = stage.fresh(`${name}.partial`);
      expect((await stage.sign(name, of, out)).err).toBe('');
      return out;
    };
    const [ada, ben, cyd, foreign] = [
      await partial('ada', file),
      await partial('ben', file),
      await partial('cyd', file),
      await partial('dee', other),
    ];
    const value = JSON.parse(stage.read(cyd)) as ColdPartial;
    const edited = (edit: Partial<ColdPartial>): string =>
      stage.write(stage.fresh('edited'), canonicalText({ ...value, ...edit })).slice(stage.folder.length + 1);
    const [signature = ''] = value.signatures;
    const flipped = signature.replace(/^../, (byte) => (byte === '00' ? '01' : '00'));
    const highS = BigInt(`0x${signature.slice(64, 128)}`);
    const mirrored =
      signature.slice(0, 64) +
      (secp256k1.Point.Fn.ORDER - highS).toString(16).padStart(64, '0') +
      (signature.endsWith('1b') ? '1c' : '1b');
    const rows: [string, string[]][] = [
      ['cold-partials-too-few', [ada, ben]],
      ['cold-partial-duplicate', [ada, ben, ada]],
      ['cold-partial-stranger', [ada, ben, edited({ custodian: 'mallory' })]],
      ['cold-partial-invalid', [ada, ben, edited({ custodian: 'eve' })]],
      ['cold-partial-invalid', [ada, ben, edited({ signatures: [flipped] })]],
      ['cold-partial-invalid', [ada, ben, edited({ signatures: [mirrored] })]],
      ['cold-partial-invalid', [ada, ben, edited({ signatures: [signature, signature] })]],
      ['cold-partial-invalid', [ada, ben, edited({ signatures: [signature.slice(0, 128)] })]],
      [
        'cold-partial-invalid',
        [ada, ben, stage.write(stage.fresh('cut'), stage.read(cyd).slice(0, -9)).slice(stage.folder.length + 1)],
      ],
      ['cold-partial-other', [ada, ben, foreign]],
    ];
    const combine = (names: readonly string[], out: string) =>
      stage.cold(
        'combine',
        file,
        ...names.map((name) => stage.path(name)),
        '--setup',
        stage.path('setup.json'),
        '--out',
        stage.path(out),
        '--json',
      );
    for (const [code, names] of rows) {
      const said = await combine(names, 'refused.done');
      expect([code, codeOf(said)]).toEqual([code, code]);
      // The last file is the bad one.
      if (names.length > 2) expect(said.err).toContain(stage.path(names.at(-1) ?? ''));
    }
    expect(readdirSync(stage.folder).filter((name) => name.startsWith('refused.'))).toEqual([]);
    const said = await combine([cyd, ada, ben], stage.fresh('done'));
    expect(JSON.parse(said.out)).toMatchObject({ family: 'evm', network: evmNetwork, to: coldSafe });
  });
});

describe('the ceremony', () => {
  test('of another setup is refused by a machine that has pinned one', async () => {
    const cards = ['ada', 'ben', 'cyd', 'dee', 'eve'].map((name) => stage.path(`${name}.card`));
    const other = stage.write(stage.fresh('draft'), { ...draft, bitcoin: null });
    const out = stage.path(stage.fresh('setup'));
    const made = JSON.parse((await stage.cold('setup', other, ...cards, '--out', out, '--json')).out) as {
      digest: string;
    };
    const said = await stage.cold('accept', out, '--keys', stage.path('ada'), '--digest', made.digest, '--json');
    expect(codeOf(said)).toBe('cold-setup-differs');
    const again = await stage.cold(
      'accept',
      stage.path('setup.json'),
      '--keys',
      stage.path('ada'),
      '--digest',
      stage.digest,
    );
    expect(again.code).toBe(0);
  });

  test('refuses a setup without the machine’s own keys, an altered one, and cards given twice', async () => {
    expect(
      (await stage.cold('keygen', stage.path('zoe'), '--name', 'zoe', '--out', stage.path('zoe.card'), ...weak)).code,
    ).toBe(0);
    const accept = (file: string, digest: string) =>
      stage.cold('accept', file, '--keys', stage.path('zoe'), '--digest', digest, '--json');
    expect(codeOf(await accept(stage.path('setup.json'), stage.digest))).toBe('cold-setup-differs');
    const altered = stage.read('setup.json').replace(/"chain_code":"09/, '"chain_code":"08');
    const pinned = await stage.cold(
      'accept',
      stage.write(stage.fresh('setup'), altered),
      '--keys',
      stage.path('dee'),
      '--digest',
      stage.digest,
      '--json',
    );
    expect(codeOf(pinned)).toBe('cold-digest-differs');
    const address = stage.setup.bitcoin?.cold_address ?? '';
    const foreign = stage
      .read('setup.json')
      .replace(address, 'bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq');
    expect(codeOf(await accept(stage.write(stage.fresh('setup'), foreign), stage.digest))).toBe('cold-setup-invalid');
    const cards = (...names: string[]) => names.map((name) => stage.path(`${name}.card`));
    const make = (...names: string[]) =>
      stage.cold('setup', stage.path('draft.json'), ...cards(...names), '--out', stage.path('bad.json'), '--json');
    expect(codeOf(await make('ada', 'ada', 'ben', 'cyd', 'dee'))).toBe('cold-setup-invalid');
    expect(codeOf(await make('ada', 'ben', 'cyd', 'dee'))).toBe('cold-setup-invalid');
    const [evm] = draft.evm;
    const tokens = evm?.tokens.map((token) => ({ ...token, code: 'ETH' }));
    stage.write('draft.json', { ...draft, evm: [{ ...evm, tokens }] });
    const sameCode = await make('ada', 'ben', 'cyd', 'dee', 'eve');
    stage.write('draft.json', draft);
    expect(sameCode.err).toContain('code ETH stands there twice');
    expect(readdirSync(stage.folder)).not.toContain('bad.json');
  });

  test('keygen seals as strongly as can be opened again, and weakly in tests alone', async () => {
    for (const options of [
      ['262144', '17'],
      ['1048577', '3'],
      ['7', '3', '--weak-for-tests'],
      ['64', '3'],
      ['262144', '2'],
    ]) {
      const [memory = '', passes = '', ...more] = options;
      const kdf = ['--kdf-memory-kib', memory, '--kdf-passes', passes, ...more];
      const { code, err } = await stage.cold('keygen', stage.path('max'), '--name', 'max', ...kdf);
      expect([code, err]).toEqual([2, expect.stringContaining('--')]);
    }
    expect(readdirSync(stage.folder)).not.toContain('max');
  });

  test('keygen makes no keys where others have signed or pinned, but goes on after a crash', async () => {
    const keygen = (name: string) => stage.cold('keygen', stage.path(name), '--name', name, '--json', ...weak);
    for (const [name, file] of [
      ['ann', 'setup.json'],
      ['bob', 'register.json'],
      ['cat', 'empty'],
    ] as const) {
      mkdirSync(stage.path(name));
      const entry = {
        request: '11'.repeat(32),
        spends: ['x'],
        signed_at: '2026-01-01T00:00:00.000Z',
        aborted_at: null,
      };
      const register = { version: 1, entries: file === 'empty' ? [] : [entry] };
      if (file !== 'setup.json') stage.write(`${name}/register.json`, canonicalText(register));
      else stage.write(`${name}/setup.json`, stage.read('setup.json'));
      const said = await keygen(name);
      expect(codeOf(said)).toBe(file === 'empty' ? '' : 'cold-keys-missing');
      expect(readdirSync(stage.path(name)).includes('keys.sealed')).toBe(file === 'empty');
    }
  });

  test('keygen prints the same card again and never makes keys anew', async () => {
    const sealed = stage.read('ada/keys.sealed');
    const said = await stage.cold('keygen', stage.path('ada'), '--json');
    expect((JSON.parse(said.out) as { card: unknown }).card).toEqual(JSON.parse(stage.read('ada.card')));
    expect(stage.read('ada/keys.sealed')).toBe(sealed);
    expect((await stage.cold('keygen', stage.path('ada'), '--name', 'ben')).code).toBe(2);
    for (const name of ['', 'Ada', 'a b', '../x'])
      expect((await stage.cold('keygen', stage.path('new'), `--name=${name}`)).code).toBe(2);
    expect(readdirSync(stage.folder)).not.toContain('new');
  });
});
