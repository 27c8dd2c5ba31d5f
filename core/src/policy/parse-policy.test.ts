import { expect, test } from 'vitest';
import { parsePolicy, parseSignedPolicy } from './parse-policy.ts';
import { samplePolicy, signSamplePolicy } from './sample-policy.test-support.ts';

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('reads what fits', () => {
  expect(parsePolicy(plain(samplePolicy()))).toEqual(samplePolicy());
  expect(parseSignedPolicy(plain(signSamplePolicy(samplePolicy())))).toEqual(signSamplePolicy(samplePolicy()));
});

test.each([
  ['the whole', 7, ''],
  ['a field that nobody knows', { ...samplePolicy(), limit: '1' }, '/limit'],
  [
    'a number for an amount',
    samplePolicy((p) => ((p.networks[1] as { fee_max_sats: unknown }).fee_max_sats = 5)),
    '/networks/1/fee_max_sats',
  ],
  ['no quorum', { ...samplePolicy(), administrators: { keys: [] } }, '/administrators'],
])('names the place of %s', (_name, value, pointer) => {
  expect(() => parsePolicy(value)).toThrow(expect.objectContaining({ code: 'policy-invalid', pointer }));
});

test('names the place inside a signed policy', () => {
  const policy = samplePolicy((changed) => (changed.networks[0]!.node_faults = -1));
  expect(() => parseSignedPolicy({ policy, signatures: [{ key_id: 'a', signature: '00'.repeat(64) }] })).toThrow(
    expect.objectContaining({ code: 'policy-invalid', pointer: '/policy/networks/0/node_faults' }),
  );
});

test('refuses a signed policy without signatures', () => {
  expect(() => parseSignedPolicy({ policy: samplePolicy(), signatures: [] })).toThrow(
    expect.objectContaining({ code: 'policy-invalid', pointer: '/signatures' }),
  );
});
