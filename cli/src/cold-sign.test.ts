import { readdirSync } from 'node:fs';
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
    for (const digest of ['00'.repeat(32), requestDigest(readRequest(file)).slice(0, 15), 'zz']) {
      const said = await stage.sign('ada', file, 'never.partial', digest);
      expect([said.code, said.out]).toEqual([3, '']);
      expect(said.err).toContain('the digest is');
    }
    expect(readdirSync(stage.path('ada'))).toEqual(before);
    expect(stage.read('ada/register.json')).toBe(register);
    expect(readdirSync(stage.folder)).not.toContain('never.partial');
    const spoken = requestDigest(readRequest(file))
      .slice(0, 16)
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
    expect((await stage.sign('ben', first, stage.fresh('partial'))).err).toContain('aborted');
    // Of coins, one is enough.
    const { coins } = refillDraft(stage, 1n, 2_000_000n, 3_000_000n, 4_000_000n);
    const [a, b, c] = coins;
    const one = await stage.request('refill', { ...refillDraft(stage, 1_000_000n), coins: [a, b] });
    const other = await stage.request('refill', { ...refillDraft(stage, 1_000_000n), coins: [b, c] });
    expect((await stage.sign('ben', one, stage.fresh('partial'))).code).toBe(0);
    expect((await stage.sign('ben', other, stage.fresh('partial'))).code).toBe(3);
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
    for (const [code, names] of rows)
      expect([code, codeOf(await combine(names, 'refused.done'))]).toEqual([code, code]);
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
    expect(readdirSync(stage.folder)).not.toContain('bad.json');
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
