import { ed25519 } from '@noble/curves/ed25519.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { samplePolicy, signSamplePolicy } from './sample-policy.test-support.ts';
import { verifyPolicy, type VerifyEd25519 } from './verify-policy.ts';

const verify: VerifyEd25519 = (key, message, signature) => ed25519.verify(hexToBytes(signature), message, key);
const policy = samplePolicy();
const check = (signed = signSamplePolicy(policy), administrators = policy.administrators) =>
  verifyPolicy(signed, administrators, verify);
const refusal = (message: string) =>
  expect.objectContaining({ code: 'policy-invalid', message: expect.stringContaining(message) as string });

test('takes a version that a quorum signed, and more than a quorum', () => {
  expect(check()).toEqual(['admin-1', 'admin-2']);
  expect(check(signSamplePolicy(policy, ['admin-3', 'admin-1', 'admin-2']))).toEqual(['admin-3', 'admin-1', 'admin-2']);
});

test('refuses fewer than the quorum', () => {
  expect(() => check(signSamplePolicy(policy, ['admin-1']))).toThrow(refusal('1 of 2'));
});

test('counts an administrator once', () => {
  expect(() => check(signSamplePolicy(policy, ['admin-1', 'admin-1']))).toThrow(refusal('second'));
});

test('counts a key under two ids once', () => {
  const [first] = policy.administrators.keys;
  const keys = [first!, { ...first!, key_id: 'alias' }];
  const signed = signSamplePolicy(policy, ['admin-1']);
  const alias = { ...signed.signatures[0]!, key_id: 'alias' };
  expect(() => check({ policy, signatures: [...signed.signatures, alias] }, { quorum: 2, keys })).toThrow(
    refusal('second'),
  );
});

test('refuses a key that is not an administrator’s, even beside a quorum', () => {
  expect(() => check(signSamplePolicy(policy, ['admin-1', 'admin-2', 'integrator-1']))).toThrow(
    refusal('no administrator'),
  );
});

test('refuses a signature over another policy', () => {
  const other = samplePolicy((changed) => (changed.intent_s_max += 1));
  expect(() => check({ policy: other, signatures: signSamplePolicy(policy).signatures })).toThrow(
    refusal('does not hold'),
  );
});

test('takes the administrators that it is given, not those whom the version names', () => {
  const own = samplePolicy((changed) => (changed.administrators = { quorum: 1, keys: [changed.halt_keys[0]!] }));
  expect(() => check(signSamplePolicy(own, ['watcher-1']))).toThrow(refusal('no administrator'));
});
