import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BitcoinNetworkPolicy, type Policy, policyDigest } from '@holdfast/core/policy/policy.ts';
import {
  guardSample,
  samplePolicy,
  secretOf,
  signSamplePolicy,
} from '@holdfast/core/policy/sample-policy.test-support.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { run } from './run.ts';

let folder: string;
let count = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-test-policy-'));
  for (const name of ['admin-1', 'admin-2', 'engine-1']) {
    writeFileSync(join(folder, name), `${Buffer.from(secretOf(name)).toString('hex')}\n`);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  count += 1;
});

const at = (name: string): string => join(folder, name);

function write(name: string, value: unknown): string {
  const file = at(`${count}-${name}.json`);
  writeFileSync(file, JSON.stringify(value));
  return file;
}

/** Without a config: nothing here may ask for one. */
async function holdfast(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const code = await run(['policy', ...argv, '--config', at('no-such-config.json')], {
    out: (text) => (said.out += text),
    err: (text) => (said.err += text),
  });
  return { code, ...said };
}

const read = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));
const bitcoin = (policy: Policy) => policy.networks[1] as BitcoinNetworkPolicy;
const first = samplePolicy();

test('lint ends well without errors and with 2 when there is one', async () => {
  const guarded = write('guarded', samplePolicy(guardSample));
  expect(await holdfast('lint', guarded)).toMatchObject({ code: 0, out: 'nothing to complain about' });
  const weak = await holdfast(
    'lint',
    write(
      'weak',
      samplePolicy((policy) => (policy.builds.soak_s = 0)),
    ),
  );
  expect(weak).toMatchObject({ code: 0, out: expect.stringMatching(/^warning +builds\.soak_s /m) as string });
  const wrong = await holdfast(
    'lint',
    write(
      'wrong',
      samplePolicy((policy) => (policy.resume.approvals = 9)),
    ),
    '--json',
  );
  expect(wrong.code).toBe(2);
  expect(JSON.parse(wrong.out)).toMatchObject({
    findings: [
      { level: 'error', path: 'resume.approvals' },
      { level: 'warning', path: 'networks[0].safe_guard' },
    ],
  });
});

test('names the place of what does not fit', async () => {
  const file = write('p', { ...first, version: 'one' });
  expect(await holdfast('lint', file)).toMatchObject({ code: 2, err: expect.stringContaining('/version') as string });
  expect(await holdfast('lint', at('none.json'))).toMatchObject({
    code: 2,
    err: expect.stringContaining('none.json') as string,
  });
});

test('diff shows each change with its effect and the delay that follows', async () => {
  const old = write('old', signSamplePolicy(first));
  const tighter = write(
    'tighter',
    samplePolicy((policy) => (policy.intent_s_max = 60)),
  );
  const looser = write(
    'looser',
    samplePolicy((policy) => {
      policy.intent_s_max = 60;
      bitcoin(policy).limits.per_day_max = '999999999999';
    }),
  );
  const small = await holdfast('diff', old, tighter);
  expect(small.out).toMatch(/^tighter +intent_s_max +86400 +60$/m);
  expect(small.out).toContain('tighter: counts 60 s after');
  const large = await holdfast('diff', old, looser);
  expect(large.out).toMatch(/^looser +networks\[bip122:.*\]\.limits\.per_day_max +"200000000000" +"999999999999"$/m);
  expect(large.out).toContain('looser: counts 172800 s after');
  expect((await holdfast('diff', old, old)).out).toContain('nothing changes');
});

test('a version is proposed, signed by two and shown as complete', async () => {
  const current = write('current', signSamplePolicy(first));
  const draft = write(
    'draft',
    samplePolicy((policy) => (policy.resume.approvals = 3)),
  );
  const out = at(`${count}-next.json`);
  const proposed = await holdfast('propose', current, draft, '--out', out);
  expect(proposed.code).toBe(0);
  const proposal = read(out) as Policy;
  expect([proposal.version, proposal.previous]).toEqual([2, policyDigest(first)]);
  expect(proposed.out).toContain(policyDigest(proposal));
  expect(proposed.out).toMatch(/^tighter +resume\.approvals/m);

  const compared = ['--current', current, '--digest', policyDigest(proposal)];
  const one = await holdfast('sign', out, '--key', at('admin-1'), '--key-id', 'admin-1', ...compared);
  expect(one).toMatchObject({ code: 0, out: expect.stringMatching(/^tighter +resume\.approvals/m) as string });
  expect((await holdfast('show', out, '--current', current)).out).toContain('not complete: version 2 has 1 of 2');
  await holdfast('sign', out, '--key', at('admin-2'), '--key-id', 'admin-2', ...compared);
  expect(read(out)).toEqual(signSamplePolicy(proposal));
  const shown = await holdfast('show', out, '--current', current, '--json');
  expect(JSON.parse(shown.out)).toMatchObject({
    digest: policyDigest(proposal),
    complete: true,
    signatures: [
      { key_id: 'admin-1', holds: true },
      { key_id: 'admin-2', holds: true },
    ],
  });
});

test('signing again replaces the signature of the same key', async () => {
  const file = write('p', first);
  const options = ['--key', at('admin-1'), '--key-id', 'admin-1', '--digest', policyDigest(first)];
  for (const _ of [1, 2]) await holdfast('sign', file, ...options);
  expect(read(file)).toEqual(signSamplePolicy(first, ['admin-1']));
});

test('signs no version with an error, no change that it cannot show, and with no key but the administrator’s', async () => {
  const wrong = write(
    'wrong',
    samplePolicy((policy) => (policy.resume.approvals = 9)),
  );
  const second = write('second', { ...first, version: 2, previous: policyDigest(first) });
  const other = write(
    'other',
    samplePolicy((policy) => (policy.intent_s_max = 60)),
  );
  const file = write('p', first);
  const sign = async (name: string, key: string, keyId: string, ...rest: string[]) => {
    const before = readFileSync(name, 'utf8');
    const digest = policyDigest(read(name) as Policy);
    const options = ['--key', at(key), '--key-id', keyId, '--digest', digest, '--json'];
    const { code, err } = await holdfast('sign', name, ...options, ...rest);
    expect(readFileSync(name, 'utf8')).toBe(before);
    return [code, (JSON.parse(err) as { error: { code: string } }).error.code];
  };
  expect(await sign(wrong, 'admin-1', 'admin-1')).toEqual([2, 'policy-invalid']);
  expect(await sign(second, 'admin-1', 'admin-1')).toEqual([2, 'invalid-request']);
  expect(await sign(second, 'admin-1', 'admin-1', '--current', other)).toEqual([3, 'policy-rollback']);
  expect(await sign(file, 'admin-1', 'admin-2')).toEqual([2, 'policy-invalid']);
  expect(await sign(file, 'engine-1', 'engine-1')).toEqual([2, 'policy-invalid']);
});

test('signs nothing without the digest that was compared, and nothing with another', async () => {
  const file = write('p', first);
  const key = ['--key', at('admin-1'), '--key-id', 'admin-1'];
  for (const options of [[], ['--digest', ''], ['--digest', policyDigest({ ...first, version: 2 })]]) {
    expect(await holdfast('sign', file, ...key, ...options)).toMatchObject({ code: 2, out: '' });
    expect(read(file)).toEqual(first);
  }
  const { err } = await holdfast('sign', file, ...key, '--digest', 'ab'.repeat(32));
  // Whoever is shown the right one here would type it without comparing.
  expect(err).not.toContain(policyDigest(first));
  await holdfast('sign', file, ...key, '--digest', policyDigest(first).toUpperCase());
  expect(read(file)).toEqual(signSamplePolicy(first, ['admin-1']));
});

test('shows a signature that does not hold', async () => {
  const signed = signSamplePolicy(first);
  signed.signatures[1]!.signature = signed.signatures[0]!.signature;
  const { out } = await holdfast('show', write('p', signed));
  expect(out).toContain('signature admin-1 holds');
  expect(out).toContain('signature admin-2 DOES NOT HOLD');
  expect(out).toContain('not complete');
});

test('proposes nothing with an error and writes over nothing', async () => {
  const current = write('current', first);
  const wrong = write(
    'draft',
    samplePolicy((policy) => (policy.resume.approvals = 9)),
  );
  expect((await holdfast('propose', current, wrong, '--out', at('wrong-next.json'))).code).toBe(2);
  expect(() => read(at('wrong-next.json'))).toThrow('ENOENT');
  expect(await holdfast('propose', current, current, '--out', current)).toMatchObject({ code: 2 });
  expect(read(current)).toEqual(first);
});

test('simulate tells for each class what recorded withdrawals would have met', async () => {
  const recorded = (id: string, amount: string, minute: string, state = 'settled') => ({
    id,
    network: bitcoin(first).network,
    asset: 'BTC',
    decimals: 8,
    amount,
    state,
    created_at: `2026-01-01T00:${minute}:00.000Z`,
  });
  const list = {
    data: [
      recorded('wd_c', '10000000001', '03'),
      recorded('wd_b', '1000000001', '02'),
      recorded('wd_a', '100000000', '01'),
      recorded('wd_gone', '100000000', '00', 'released'),
    ],
  };
  const { code, out } = await holdfast('simulate', write('p', first), '--withdrawals', write('list', list));
  expect(code).toBe(0);
  expect(out).toMatch(/ wd_a .* 1 +BTC +passes +passes$/m);
  expect(out).toMatch(/ wd_b .* 10\.00000001 +BTC +1 approval +refused: per_transaction_max$/m);
  expect(out).toMatch(/ wd_c .* refused: per_transaction_max +refused: per_transaction_max$/m);
  expect(out).not.toContain('wd_gone');
  expect(out).toMatch(/^customer .* BTC +1 +1 +1 +11\.00000001 +400 +11\.00000001 +2000$/m);
  expect(out).toMatch(/^integrator .* BTC +1 +0 +2 +1 +5 +1 +20$/m);
});

test('simulate refuses a list that is none, and asks for the config only to fetch one', async () => {
  const file = write('p', first);
  for (const list of [
    7,
    [{}],
    [{ id: 'a', network: 'n', asset: 'A', decimals: 1, amount: '1', state: 's', created_at: '2026-99-01T00:00:00Z' }],
  ]) {
    expect((await holdfast('simulate', file, '--withdrawals', write('list', list))).code).toBe(2);
  }
  expect((await holdfast('simulate', file)).err).toContain('--withdrawals or --since');
  expect((await holdfast('simulate', file, '--since', 'yesterday')).err).toContain('yesterday');
  expect((await holdfast('simulate', file, '--since', '2026-01-01T00:00:00Z')).err).toContain('no-such-config.json');
});

test('says what it can do', async () => {
  const help = await holdfast('--help');
  expect(help.code).toBe(0);
  for (const name of ['lint', 'diff', 'simulate', 'propose', 'sign', 'show']) {
    expect(help.out).toMatch(new RegExp(`^ +${name} [A-Z]`, 'm'));
  }
  expect(await holdfast('frobnicate')).toMatchObject({ code: 2, err: expect.stringContaining('frobnicate') as string });
  expect(await holdfast('toString')).toMatchObject({ code: 2 });
  expect(await holdfast('lint')).toMatchObject({ code: 2, err: expect.stringContaining('takes FILE') as string });
  expect(await holdfast('lint', 'a', '--since', 'b')).toMatchObject({
    code: 2,
    err: expect.stringContaining('no --since') as string,
  });
});
