import { ed25519 } from '@noble/curves/ed25519.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { expect, test } from 'vitest';
import { decidePolicy } from './decide-policy.ts';
import { type Policy, policyDigest } from './policy.ts';
import { samplePolicy, signSamplePolicy } from './sample-policy.test-support.ts';

const nowMs = 1_700_000_000_000;
const first = samplePolicy();

function next(before: Policy, change: (policy: Policy) => void = () => undefined): Policy {
  const policy = structuredClone(before);
  change(policy);
  return { ...policy, version: before.version + 1, previous: policyDigest(before) };
}

/** @param dueMs from now until those that wait count: by default no later than anything new could. */
function decide(
  policy: Policy,
  held: readonly Policy[] = [first],
  keyIds: readonly string[] = ['admin-1', 'admin-2'],
  dueMs = 60_000,
) {
  const [inForce = null, ...pending] = held;
  return decidePolicy({
    inForce,
    pending: pending.map((one) => ({ policy: one, effectiveAtMs: nowMs + dueMs })),
    signed: signSamplePolicy(policy, keyIds),
    ed25519: (key, message, signature) => ed25519.verify(hexToBytes(signature), message, key),
    nowMs,
  });
}

const refusal = (code: string) => expect.objectContaining({ code });
const lowerLimit = (policy: Policy) => (policy.intent_s_max -= 1);
const raiseLimit = (policy: Policy) => (policy.intent_s_max += 1);

test('takes version 1 at once where there is none', () => {
  expect(decide(first, [])).toEqual({ change: 'first', effectiveAtMs: nowMs });
});

test('takes no other version first', () => {
  expect(() => decide(next(first), [])).toThrow(refusal('policy-rollback'));
});

test('takes a tighter version after the short delay and a looser one after the long one', () => {
  expect(decide(next(first, lowerLimit))).toEqual({ change: 'tighter', effectiveAtMs: nowMs + 60_000 });
  expect(decide(next(first, raiseLimit))).toEqual({ change: 'looser', effectiveAtMs: nowMs + 172_800_000 });
  expect(decide(next(first))).toEqual({ change: 'tighter', effectiveAtMs: nowMs + 60_000 });
});

test('takes one looser change among tighter ones for looser', () => {
  const both = next(first, (policy) => {
    policy.resume.approvals = 3;
    policy.halt_keys.pop();
  });
  expect(decide(both).change).toBe('looser');
});

test('refuses a version again, an older one and one that leaves out a number', () => {
  const second = next(first, lowerLimit);
  expect(() => decide(first, [first])).toThrow(refusal('policy-rollback'));
  expect(() => decide(second, [second])).toThrow(refusal('policy-rollback'));
  expect(() => decide(first, [second])).toThrow(refusal('policy-rollback'));
  expect(() => decide({ ...second, version: 3 }, [first])).toThrow(refusal('policy-rollback'));
});

test('refuses a version that follows another one than this signer holds', () => {
  expect(() => decide(next(samplePolicy(raiseLimit)))).toThrow(refusal('policy-rollback'));
});

test('asks for the administrators of the version in force, whoever the new one names', () => {
  const coup = next(first, (policy) => (policy.administrators = { quorum: 1, keys: [policy.halt_keys.pop()!] }));
  expect(() => decide(coup, [first], ['halt-token-1'])).toThrow(refusal('policy-invalid'));
  expect(() => decide(coup, [first], ['admin-1'])).toThrow(refusal('policy-invalid'));
  expect(decide(coup).change).toBe('looser');
  // Not even when it already waits.
  expect(() => decide(next(coup), [first, coup], ['halt-token-1'])).toThrow(refusal('policy-invalid'));
});

test('refuses a version with a mistake and takes one with a warning', () => {
  expect(() => decide(next(first, (policy) => (policy.resume.approvals = 9)))).toThrow(
    expect.objectContaining({ code: 'policy-invalid', message: expect.stringContaining('resume.approvals') as string }),
  );
  expect(decide(next(first, (policy) => (policy.builds.soak_s = 0))).change).toBe('looser');
});

test('takes a waiting looser version back within the short delay', () => {
  const loose = next(first, raiseLimit);
  const back = { ...next(loose), intent_s_max: first.intent_s_max };
  expect(decide(back, [first, loose])).toEqual({ change: 'tighter', effectiveAtMs: nowMs + 60_000 });
});

test('takes back within the short delay whatever a version that waits for the long one changes', () => {
  // Of these some have no tighter side, and some are tighter one way and looser back.
  const coup = next(first, (policy) => {
    policy.delays = { tighten_s: 0, loosen_s: 864_000 };
    policy.webauthn.approvals.rp_id = 'thief.example';
    policy.engine_keys = [];
    policy.operators = [];
    policy.intent_s_max = 60;
  });
  const back = { ...structuredClone(first), version: 3, previous: policyDigest(coup) };
  const longMs = 172_800_000;
  expect(decide(back, [first, coup], undefined, longMs)).toEqual({ change: 'tighter', effectiveAtMs: nowMs + 60_000 });
  // Not when it could be in force before.
  expect(decide(back, [first, coup], undefined, 60_000).change).toBe('looser');
  expect(decide(back, [first, coup], undefined, 60_001).change).toBe('tighter');
  // And not looser than the version in force, taking back or not.
  const more = { ...back, intent_s_max: first.intent_s_max + 1 };
  expect(decide(more, [first, coup], undefined, longMs).change).toBe('looser');
});

test('counts with a waiting version that prolongs the short delay', () => {
  const slow = next(first, (policy) => (policy.delays.tighten_s = 120));
  const late = next(slow, (policy) => (policy.intent_s_max = 60));
  const [dueMs, laterMs] = [60_000, 100_000];
  const back = { ...structuredClone(slow), version: 4, previous: policyDigest(late) };
  const decided = decidePolicy({
    inForce: first,
    pending: [
      { policy: slow, effectiveAtMs: nowMs + dueMs },
      { policy: late, effectiveAtMs: nowMs + laterMs },
    ],
    signed: signSamplePolicy(back, ['admin-1', 'admin-2']),
    ed25519: (key, message, signature) => ed25519.verify(hexToBytes(signature), message, key),
    nowMs,
  });
  expect(decided.change).toBe('looser');
});

test('takes what is looser than a waiting tighter version for looser', () => {
  const tight = next(first, (policy) => (policy.intent_s_max = 60));
  const between = next(tight, (policy) => (policy.intent_s_max = 600));
  expect(decide(between, [first, tight]).change).toBe('looser');
});

test('waits as long as a waiting version asks, when that is longer', () => {
  const patient = next(first, (policy) => (policy.delays.loosen_s = 864_000));
  const loose = next(patient, raiseLimit);
  expect(decide(loose, [first, patient]).effectiveAtMs).toBe(nowMs + 864_000_000);
  expect(decide(next(first, (policy) => (policy.delays.loosen_s = 60)))).toEqual({
    change: 'looser',
    effectiveAtMs: nowMs + 172_800_000,
  });
});
