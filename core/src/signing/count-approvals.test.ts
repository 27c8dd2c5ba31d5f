import { expect, test } from 'vitest';
import { sampleCredential, samplePolicy } from '../policy/sample-policy.test-support.ts';
import { countApprovals } from './count-approvals.ts';
import { assertionBy, type AssertionChange } from './evidence.test-support.ts';
import { nobleVerifiers } from './noble-verifiers.ts';

const policy = samplePolicy();
const digest = new Uint8Array(32).fill(3);
const approve = (name: string, change: AssertionChange = {}) =>
  assertionBy(name, digest, policy.webauthn.approvals, change);
const count = (approvals: ReturnType<typeof approve>[], by = policy) =>
  countApprovals(approvals, digest, by, nobleVerifiers);

test('counts distinct approvers, and those with the offline client', () => {
  expect(count([])).toEqual({ total: 0, offline: 0 });
  expect(count([approve('approver-1'), approve('approver-3')])).toEqual({ total: 2, offline: 1 });
});

test.each([
  ['a credential that is no approver’s', [approve('operator-1')], /no approver/],
  ['an approver twice', [approve('approver-1'), approve('approver-1')], /twice/],
  ['an assertion of the customers’ relying party', [approve('approver-1', { rpId: 'exchange.example' })], /made for/],
  [
    'an approval of another digest',
    [
      assertionBy(
        'approver-1',
        digest.map(() => 4),
        policy.webauthn.approvals,
      ),
    ],
    /digest/,
  ],
  ['one bad approval among good ones', [approve('approver-1'), approve('approver-2', { flags: 1 })], /approver-2/],
])('refuses %s', (_name, approvals, message) => {
  const refusal = { code: 'approval-invalid', message: expect.stringMatching(message) };
  expect(() => count(approvals)).toThrow(expect.objectContaining(refusal));
});

test.each([
  ['one person with two credentials', { id: 'approver-1' }],
  ['one key under two names', { public_key: sampleCredential('approver-1').public_key }],
])('counts %s once: the second is refused', (_name, change) => {
  const shared = samplePolicy((sample) => Object.assign(sample.approvers[1] ?? {}, change));
  expect(() => count([approve('approver-1'), approve('approver-2')], shared)).toThrow(
    expect.objectContaining({ code: 'approval-invalid', message: expect.stringMatching(/twice/) }),
  );
});
