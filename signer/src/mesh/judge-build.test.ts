import type { Policy, SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { emptyState } from '@holdfast/core/signing/journal-state.ts';
import { expect, test } from 'vitest';
import { judgeBuild } from './judge-build.ts';

interface Version {
  readonly permitted: readonly string[];
  readonly soak_s?: number;
  /** When it counts. */
  readonly atMs?: number;
}

const day = 86_400;
const dayMs = day * 1_000;

/** What a signer holds that took these versions, the last of them in force. */
function held(...versions: readonly Version[]) {
  const policies = versions.map(({ permitted, soak_s = 100 }, at) => {
    return { version: at + 1, builds: { permitted, soak_s } } as unknown as Policy;
  });
  const state = emptyState();
  versions.forEach(({ atMs }, at) =>
    state.policies.set(at + 1, { digest: '', effectiveAtMs: atMs ?? (at + 1) * 1_000_000 }),
  );
  const version = (one: number) => (policies[one - 1] ? ({ policy: policies[one - 1] } as SignedPolicy) : null);
  return (build: string, nowMs: number) => () =>
    judgeBuild(build, { current: () => policies.at(-1)!, version }, state, nowMs);
}

const versions = [['a'], ['a', 'b'], ['b', 'c'], ['a', 'c']].map((permitted) => ({ permitted }));
const inForce = (version: number) => held(...versions.slice(0, version));
const refused = expect.objectContaining({ code: 'build-not-permitted' });

test('a build of the first policy signs at once', () => {
  expect(inForce(2)('a', 1)).not.toThrow();
});

test('a build that a later version lists signs when it has soaked since that version', () => {
  expect(inForce(2)('b', 2_099_999)).toThrow(refused);
  expect(inForce(2)('b', 2_100_000)).not.toThrow();
  expect(inForce(3)('b', 2_100_000)).not.toThrow();
});

test('a build that was dropped does not sign, and soaks again when it comes back', () => {
  expect(inForce(3)('a', 9_000_000)).toThrow(refused);
  expect(inForce(4)('a', 4_099_999)).toThrow(refused);
  expect(inForce(4)('a', 4_100_000)).not.toThrow();
});

test('a version that ends the soak time does not do so for the build that it lists', () => {
  const judge = held({ permitted: ['a'], soak_s: day }, { permitted: ['a', 'b'], soak_s: 0, atMs: dayMs });
  expect(judge('b', 2 * dayMs - 1)).toThrow(refused);
  expect(judge('b', 2 * dayMs)).not.toThrow();
  expect(judge('a', dayMs)).not.toThrow();
});

test('nor for a build that the next version lists, or listed, until the old soak time has passed', () => {
  const split = held(
    { permitted: ['a'], soak_s: day },
    { permitted: ['a'], soak_s: 0, atMs: dayMs },
    { permitted: ['a', 'b'], soak_s: 0, atMs: dayMs + 1 },
  );
  expect(split('b', 2 * dayMs - 1)).toThrow(refused);
  expect(split('b', 2 * dayMs)).not.toThrow();
  const later = held(
    { permitted: ['a'], soak_s: day },
    { permitted: ['a', 'b'], soak_s: day, atMs: dayMs },
    { permitted: ['a', 'b'], soak_s: 0, atMs: dayMs + 1 },
  );
  expect(later('b', 2 * dayMs - 1)).toThrow(refused);
  expect(later('b', 2 * dayMs)).not.toThrow();
});

test('a shorter soak time counts once it is older than the longer one was long, a longer one at once', () => {
  const shorter = held(
    { permitted: ['a'], soak_s: day },
    { permitted: ['a'], soak_s: 10, atMs: dayMs },
    { permitted: ['a', 'b'], soak_s: 10, atMs: 3 * dayMs },
  );
  expect(shorter('b', 3 * dayMs + 9_999)).toThrow(refused);
  expect(shorter('b', 3 * dayMs + 10_000)).not.toThrow();
  const longer = held({ permitted: ['a'], soak_s: 10 }, { permitted: ['a', 'b'], soak_s: day, atMs: dayMs });
  expect(longer('b', 2 * dayMs - 1)).toThrow(refused);
  expect(longer('b', 2 * dayMs)).not.toThrow();
});

test('a version that was overtaken before its time came shortens nothing and lists nothing', () => {
  const judge = held(
    { permitted: ['a'], soak_s: day },
    { permitted: ['a', 'b'], soak_s: 0, atMs: 5 * dayMs },
    { permitted: ['a', 'b'], soak_s: day, atMs: 2 * dayMs },
  );
  expect(judge('b', 3 * dayMs - 1)).toThrow(refused);
  expect(judge('b', 3 * dayMs)).not.toThrow();
});
