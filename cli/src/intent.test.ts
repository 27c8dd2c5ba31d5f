import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from './run.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-test-intent-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const usdt = 'eip155:1/erc20:0xdAC17F958D2ee523a2206206994597C13D831ec7';
const payment = {
  version: 1,
  kind: 'withdrawal',
  network: 'eip155:1',
  asset: 'eip155:1/slip44:60',
  amount: '1250000000000000000',
  destination: '0x52908400098527886E0F7030069857D2E4169EE7',
  memo: null,
  customer: 'cus_01890000-0000-7000-8000-000000000001',
  fee_max: '400000000000000',
  expires_at: '2999-01-02T03:04:05.678Z',
  nonce: 'payout-0001',
} as const;
// Members in the order of RFC 8785, written out: independent of the code under test.
const canonical =
  '{"amount":"1250000000000000000","asset":"eip155:1/slip44:60","customer":"cus_01890000-0000-7000-8000-000000000001",' +
  '"destination":"0x52908400098527886E0F7030069857D2E4169EE7","expires_at":"2999-01-02T03:04:05.678Z",' +
  '"fee_max":"400000000000000","kind":"withdrawal","memo":null,"network":"eip155:1","nonce":"payout-0001","version":1}';
const digest = createHash('sha256').update(`holdfast/intent/v1\0${canonical}`).digest();

/** Without a config: nothing here may ask for one. */
async function holdfast(value: unknown, ...options: string[]): Promise<{ code: number; out: string; err: string }> {
  const file = join(folder, 'intent.json');
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  const said = { out: '', err: '' };
  const code = await run(['intent', file, ...options, '--config', join(folder, 'none.json')], {
    out: (text) => (said.out += text),
    err: (text) => (said.err += text),
  });
  return { code, ...said };
}

test('shows every field, the digest of the canonical text and the challenge', async () => {
  const { code, out } = await holdfast(payment);
  expect(code).toBe(0);
  const lines = out.split('\n');
  for (const line of [
    'kind         withdrawal, version 1',
    'network      eip155:1',
    'asset        eip155:1/slip44:60',
    'amount       1.25 ETH (1250000000000000000 base units)',
    'destination  0x52908400098527886E0F7030069857D2E4169EE7',
    'memo         none',
    'fee at most  0.0004 ETH (400000000000000 base units)',
    'customer     cus_01890000-0000-7000-8000-000000000001',
    'nonce        payout-0001',
    `digest       ${digest.toString('hex')}`,
    `challenge    ${digest.toString('base64url')}`,
  ]) {
    expect(lines).toContain(line);
  }
  expect(out).toMatch(/^expires +2999-01-02T03:04:05\.678Z, in [0-9]+ minutes by the clock of this machine$/m);
});

test('reads a request that carries an intent, and gives programs the same', async () => {
  const { code, out } = await holdfast({ client_reference: 'w-1', intent: payment }, '--json');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({
    digest: digest.toString('hex'),
    challenge: digest.toString('base64url'),
    digest_matches: null,
    intent: payment,
    unit: { code: 'ETH', decimals: 18 },
  });
});

test('ends with 1 when the digest to approve is another', async () => {
  const hex = digest.toString('hex');
  expect(await holdfast(payment, '--digest', hex.toUpperCase())).toMatchObject({
    code: 0,
    out: expect.stringMatching(/\nthe same digest$/) as string,
  });
  for (const other of [
    { ...payment, amount: '1250000000000000001' },
    { ...payment, destination: payment.destination.toLowerCase() },
    { ...payment, memo: '' },
  ]) {
    const { code, out } = await holdfast(other, '--digest', hex);
    expect(code).toBe(1);
    expect(out).toContain(`ANOTHER DIGEST than ${hex}: do not approve`);
  }
});

test('shows base units where the decimals are not known, and units where they are given', async () => {
  const token = { ...payment, asset: usdt, amount: '1500000', fee_max: '0' };
  expect((await holdfast(token)).out).toMatch(/^amount +1500000 base units$/m);
  expect((await holdfast(token, '--decimals', '6')).out).toMatch(
    /^amount +1\.5 at 6 decimals \(1500000 base units\)$/m,
  );
  // Ether of another network than the one that pays.
  const alien = { ...payment, asset: 'eip155:10/slip44:60' };
  expect((await holdfast(alien)).out).toMatch(/^amount +1250000000000000000 base units$/m);
  const network = 'bip122:000000000019d6689c085ae165831e93';
  const bitcoin = { ...payment, network, asset: `${network}/slip44:0`, amount: '150000000', fee_max: '2000' };
  expect((await holdfast(bitcoin)).out).toMatch(/^amount +1\.5 BTC \(150000000 base units\)$/m);
});

test('lets nothing of the intent steer the terminal or pass for another line', async () => {
  const { out } = await holdfast({
    ...payment,
    memo: 'none\u001b[2K\u009b1A\r\ndestination  0x0',
    destination: 'bc1q\u202e\nx',
  });
  // oxlint-disable-next-line no-control-regex -- that is what is looked for
  expect(out.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
  expect(out.match(/^destination/gm)).toHaveLength(1);
  expect(out).toMatch(/^memo +"none/m);
});

test('says that an intent is past', async () => {
  const { code, out } = await holdfast({ ...payment, expires_at: '2020-01-01T00:00:00.000Z' });
  expect(code).toBe(0);
  expect(out).toContain('2020-01-01T00:00:00.000Z, PAST by the clock of this machine');
});

test.each([
  ['no JSON', '{'],
  ['a field more', { ...payment, note: 'x' }],
  ['a field less', { ...payment, nonce: undefined }],
  ['an amount as a number', { ...payment, amount: 5 }],
  ['a day that is none', { ...payment, expires_at: '2999-02-31T00:00:00.000Z' }],
  ['a month that is none', { ...payment, expires_at: '2999-13-01T00:00:00.000Z' }],
  ['another version', { ...payment, version: 2 }],
])('refuses %s with 2', async (_what, value) => {
  const { code, out, err } = await holdfast(value);
  expect(code).toBe(2);
  expect(out).toBe('');
  expect(err).toContain('intent.json');
});

test('says that a withdrawal as the API shows it is not the intent', async () => {
  const shown = { object: 'withdrawal', id: 'wd_1', amount: payment.amount, digest: digest.toString('hex') };
  const { code, err } = await holdfast(shown);
  expect(code).toBe(2);
  expect(err).toContain('Ask the integrator for the intent itself');
});

test.each([
  ['--digest', 'abc'],
  ['--decimals', '-1'],
  ['--decimals', '78'],
])('refuses %s %s', async (option, value) => {
  expect((await holdfast(payment, `${option}=${value}`)).code).toBe(2);
});
