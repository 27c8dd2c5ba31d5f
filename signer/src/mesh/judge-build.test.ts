import type { Policy, SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { emptyState } from '@holdfast/core/signing/journal-state.ts';
import { expect, test } from 'vitest';
import { judgeBuild } from './judge-build.ts';

const soak_s = 100;
const versions = [['a'], ['a', 'b'], ['b', 'c'], ['a', 'c']];
const policyOf = (version: number): Policy =>
  ({ version, builds: { permitted: versions[version - 1], soak_s } }) as unknown as Policy;
const inForce = (version: number) => ({
  current: () => policyOf(version),
  version: (one: number) => (versions[one - 1] ? ({ policy: policyOf(one) } as unknown as SignedPolicy) : null),
});
const state = emptyState();
for (const version of [1, 2, 3, 4]) {
  state.policies.set(version, { digest: '', effectiveAtMs: version * 1_000_000 });
}
const refused = expect.objectContaining({ code: 'build-not-permitted' });

test('a build of the first policy signs at once', () => {
  expect(() => judgeBuild('a', inForce(2), state, 1)).not.toThrow();
});

test('a build that a later version lists signs when it has soaked since that version', () => {
  expect(() => judgeBuild('b', inForce(2), state, 2_099_999)).toThrow(refused);
  expect(() => judgeBuild('b', inForce(2), state, 2_100_000)).not.toThrow();
  expect(() => judgeBuild('b', inForce(3), state, 2_100_000)).not.toThrow();
});

test('a build that was dropped does not sign, and soaks again when it comes back', () => {
  expect(() => judgeBuild('a', inForce(3), state, 9_000_000)).toThrow(refused);
  expect(() => judgeBuild('a', inForce(4), state, 4_099_999)).toThrow(refused);
  expect(() => judgeBuild('a', inForce(4), state, 4_100_000)).not.toThrow();
});
